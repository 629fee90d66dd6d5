//! Text to instructions, in two passes: the first finds labels and variables, the second resolves them.
//!
//! A line is `label:`, `var name`, or an operation with at most one argument (a number, a label or a variable); the rest of
//! a line after a semicolon is a comment.

use std::collections::BTreeMap;

use crate::machine::{Instruction, Op};

const NAMES: [(&str, Op); 30] = [
    ("push", Op::Push),
    ("dup", Op::Dup),
    ("drop", Op::Drop),
    ("swap", Op::Swap),
    ("over", Op::Over),
    ("load", Op::Load),
    ("store", Op::Store),
    ("loadat", Op::LoadAt),
    ("storeat", Op::StoreAt),
    ("add", Op::Add),
    ("sub", Op::Sub),
    ("mul", Op::Mul),
    ("div", Op::Div),
    ("rem", Op::Rem),
    ("and", Op::And),
    ("or", Op::Or),
    ("xor", Op::Xor),
    ("shl", Op::Shl),
    ("shr", Op::Shr),
    ("eq", Op::Eq),
    ("lt", Op::Lt),
    ("not", Op::Not),
    ("inc", Op::Inc),
    ("dec", Op::Dec),
    ("jump", Op::Jump),
    ("jumpif", Op::JumpIf),
    ("jumpunless", Op::JumpUnless),
    ("call", Op::Call),
    ("return", Op::Return),
    ("halt", Op::Halt),
];

struct Line<'a> {
    number: usize,
    op: Op,
    argument: Option<&'a str>,
}

/// Assembles `source`, or says which line is wrong.
pub fn assemble(source: &str) -> Result<Vec<Instruction>, String> {
    let mut names = BTreeMap::new();
    let mut variables = 0;
    let mut lines = Vec::new();
    for (index, text) in source.lines().enumerate() {
        let number = index + 1;
        let code = text.split(';').next().unwrap_or_default().trim();
        if let Some(label) = code.strip_suffix(':') {
            names.insert(label, lines.len() as i32);
        } else if let Some(variable) = code.strip_prefix("var ") {
            names.insert(variable.trim(), variables);
            variables += 1;
        } else if !code.is_empty() {
            lines.push(parse(number, code)?);
        }
    }
    lines.iter().map(|line| resolve(line, &names)).collect()
}

fn parse(number: usize, code: &str) -> Result<Line<'_>, String> {
    let (name, argument) = match code.split_once(' ') {
        Some((name, argument)) => (name, Some(argument.trim())),
        None => (code, None),
    };
    match NAMES.iter().find(|(known, _)| *known == name) {
        Some(&(_, op)) => Ok(Line { number, op, argument }),
        None => Err(format!("line {number}: no operation is called {name}")),
    }
}

fn resolve(line: &Line<'_>, names: &BTreeMap<&str, i32>) -> Result<Instruction, String> {
    let argument = match line.argument {
        None => 0,
        Some(word) => match word.parse().ok().or_else(|| names.get(word).copied()) {
            Some(value) => value,
            None => return Err(format!("line {}: {word} is neither a number nor a name", line.number)),
        },
    };
    Ok(Instruction { op: line.op, argument })
}
