//! A transport that plays back answers and keeps what was sent.

use std::collections::VecDeque;
use std::time::Duration;

use super::http::{Failure, Request, Response, Transport};

/// Answers in order; 90 seconds are left at the start, and the clock says 1000.
#[derive(Debug)]
pub struct Played {
    answers: VecDeque<Result<Response, Failure>>,
    pub sent: Vec<Request>,
    /// In seconds.
    pub waits: Vec<u64>,
    left: Duration,
}

impl Played {
    pub fn new(answers: impl IntoIterator<Item = Result<Response, Failure>>) -> Self {
        let answers = answers.into_iter().collect();
        Self { answers, sent: Vec::new(), waits: Vec::new(), left: Duration::from_secs(90) }
    }
}

impl Transport for Played {
    fn exchange(&mut self, request: &Request) -> Result<Response, Failure> {
        self.sent.push(request.clone());
        self.answers.pop_front().expect("no answer is left for a request")
    }

    fn wait(&mut self, time: Duration) {
        self.waits.push(time.as_secs());
        self.left = self.left.saturating_sub(time);
    }

    fn left(&self) -> Duration {
        self.left
    }

    fn now(&self) -> u64 {
        1000
    }
}

pub fn answer(body: &str) -> Result<Response, Failure> {
    Ok(Response { status: 200, body: body.into(), ..Response::default() })
}

pub fn refused(status: u16) -> Result<Response, Failure> {
    Ok(Response { status, body: b"{}".to_vec(), ..Response::default() })
}

pub fn with_header(answer: Result<Response, Failure>, name: &str, value: &str) -> Result<Response, Failure> {
    answer.map(|mut response| {
        response.headers.insert(name.to_owned(), value.to_owned());
        response
    })
}
