//! The forge: where a job runs, on which pull request, and what is told there.
//!
//! Architecture invariant: receives rendered text and never renders or changes a verdict. Only `transport` opens a socket;
//! everything else is a pure function, or works on the transport that it is given. What a forge answers and what a
//! run of somebody else left is untrusted. No error holds a token or a payload.
