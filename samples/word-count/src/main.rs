//! Counts lines, words and bytes of standard input and prints the most frequent words: a command under WASI.
//!
//! The whole path of a command is in it: arguments, reading standard input in pieces, decoding UTF-8, case folding, a map
//! from strings to counts, sorting, formatted printing. It shows what start-up, system calls and libc cost where a bare
//! function shows only its code.
//!
//! `word-count [--top N]`

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufWriter, Write};
use std::process::ExitCode;

#[derive(Default)]
struct Census {
    lines: u64,
    words: u64,
    bytes: u64,
    /// Ordered, and not hashed: the standard hash map takes its seed from the host, and would do different work each time.
    frequency: BTreeMap<String, u64>,
}

impl Census {
    fn take(mut input: impl BufRead) -> io::Result<Self> {
        let mut census = Self::default();
        let mut line = String::new();
        loop {
            line.clear();
            let read = input.read_line(&mut line)?;
            if read == 0 {
                return Ok(census);
            }
            census.lines += 1;
            census.bytes += read as u64;
            census.add_words(&line);
        }
    }

    fn add_words(&mut self, line: &str) {
        let words = line.split(|c: char| !c.is_alphanumeric() && c != '\'').filter(|word| !word.is_empty());
        for word in words {
            self.words += 1;
            let folded = word.to_lowercase();
            match self.frequency.get_mut(&folded) {
                Some(count) => *count += 1,
                None => drop(self.frequency.insert(folded, 1)),
            }
        }
    }

    /// The `top` most frequent words, in alphabetical order where they are equally frequent.
    fn ranking(&self, top: usize) -> Vec<(&str, u64)> {
        let mut ranking: Vec<_> = self.frequency.iter().map(|(word, count)| (word.as_str(), *count)).collect();
        ranking.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        ranking.truncate(top);
        ranking
    }

    fn print(&self, top: usize, mut output: impl Write) -> io::Result<()> {
        writeln!(output, "{:>8} lines", self.lines)?;
        writeln!(output, "{:>8} words", self.words)?;
        writeln!(output, "{:>8} bytes", self.bytes)?;
        writeln!(output, "{:>8} different words", self.frequency.len())?;
        for (word, count) in self.ranking(top) {
            let per_mille = (count * 1000 + self.words / 2) / self.words;
            writeln!(output, "{count:>8} {:>3}.{} % {word}", per_mille / 10, per_mille % 10)?;
        }
        output.flush()
    }
}

fn top_from(mut arguments: impl Iterator<Item = String>) -> Option<usize> {
    match (arguments.next().as_deref(), arguments.next(), arguments.next()) {
        (None, ..) => Some(10),
        (Some("--top"), Some(number), None) => number.parse().ok(),
        _ => None,
    }
}

fn main() -> ExitCode {
    let Some(top) = top_from(std::env::args().skip(1)) else {
        eprintln!("usage: word-count [--top N] < TEXT");
        return ExitCode::from(2);
    };
    let census = Census::take(io::stdin().lock());
    match census.and_then(|census| census.print(top, BufWriter::new(io::stdout().lock()))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("word-count: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Census;

    #[test]
    fn folds_case_and_ranks() {
        let census = Census::take("The cat's cat,\nthe Äpfel; ÄPFEL the\n".as_bytes()).unwrap();
        assert_eq!((census.lines, census.words), (2, 7));
        assert_eq!(census.ranking(3), [("the", 3), ("äpfel", 2), ("cat", 1)]);
    }
}
