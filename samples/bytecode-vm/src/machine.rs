//! The stack machine: what each operation does. Arithmetic wraps; a program that leaves the stack, the memory or its own
//! code ends without a result. It knows nothing of names and labels, which the assembler resolves.

/// The size of the memory in cells of 32 bits.
const CELLS: usize = 16 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Push,
    Dup,
    Drop,
    Swap,
    Over,
    Load,
    Store,
    LoadAt,
    StoreAt,
    Add,
    Sub,
    Mul,
    Div,
    Rem,
    And,
    Or,
    Xor,
    Shl,
    Shr,
    Eq,
    Lt,
    Not,
    Inc,
    Dec,
    Jump,
    JumpIf,
    JumpUnless,
    Call,
    Return,
    Halt,
}

/// An operation with its argument: the constant, cell or code address that it names, else zero.
#[derive(Clone, Copy, Debug)]
pub struct Instruction {
    pub op: Op,
    pub argument: i32,
}

struct Machine {
    stack: Vec<i32>,
    returns: Vec<usize>,
    cells: Vec<i32>,
}

impl Machine {
    fn binary(&mut self, apply: impl FnOnce(i32, i32) -> i32) -> Option<()> {
        let right = self.stack.pop()?;
        let left = self.stack.last_mut()?;
        *left = apply(*left, right);
        Some(())
    }

    fn division(&mut self, apply: impl FnOnce(i32, i32) -> Option<i32>) -> Option<()> {
        let right = self.stack.pop()?;
        let left = self.stack.last_mut()?;
        *left = apply(*left, right)?;
        Some(())
    }

    fn unary(&mut self, apply: impl FnOnce(i32) -> i32) -> Option<()> {
        let top = self.stack.last_mut()?;
        *top = apply(*top);
        Some(())
    }

    fn store(&mut self, cell: i32) -> Option<()> {
        *self.cells.get_mut(usize::try_from(cell).ok()?)? = self.stack.pop()?;
        Some(())
    }

    fn load(&mut self, cell: i32) -> Option<()> {
        self.stack.push(*self.cells.get(usize::try_from(cell).ok()?)?);
        Some(())
    }

    /// Does everything but moving through the code.
    fn apply(&mut self, Instruction { op, argument }: Instruction) -> Option<()> {
        match op {
            Op::Push => self.stack.push(argument),
            Op::Dup => self.stack.push(*self.stack.last()?),
            Op::Drop => drop(self.stack.pop()?),
            Op::Swap => {
                let top = self.stack.len().checked_sub(2)?;
                self.stack.swap(top, top + 1);
            }
            Op::Over => self.stack.push(*self.stack.get(self.stack.len().checked_sub(2)?)?),
            Op::Load => self.load(argument)?,
            Op::Store => self.store(argument)?,
            Op::LoadAt => {
                let cell = self.stack.pop()?;
                self.load(cell)?;
            }
            Op::StoreAt => {
                let cell = self.stack.pop()?;
                self.store(cell)?;
            }
            Op::Add => self.binary(i32::wrapping_add)?,
            Op::Sub => self.binary(i32::wrapping_sub)?,
            Op::Mul => self.binary(i32::wrapping_mul)?,
            Op::Div => self.division(i32::checked_div)?,
            Op::Rem => self.division(i32::checked_rem)?,
            Op::And => self.binary(|a, b| a & b)?,
            Op::Or => self.binary(|a, b| a | b)?,
            Op::Xor => self.binary(|a, b| a ^ b)?,
            Op::Shl => self.binary(|a, b| a.wrapping_shl(b as u32))?,
            Op::Shr => self.binary(|a, b| a.wrapping_shr(b as u32))?,
            Op::Eq => self.binary(|a, b| i32::from(a == b))?,
            Op::Lt => self.binary(|a, b| i32::from(a < b))?,
            Op::Not => self.unary(|a| i32::from(a == 0))?,
            Op::Inc => self.unary(|a| a.wrapping_add(1))?,
            Op::Dec => self.unary(|a| a.wrapping_sub(1))?,
            Op::Jump | Op::JumpIf | Op::JumpUnless | Op::Call | Op::Return | Op::Halt => {}
        }
        Some(())
    }
}

/// Runs `program` with `input` on the stack until it halts, and returns the top of the stack.
pub fn run(program: &[Instruction], input: i32) -> Option<i32> {
    let mut machine = Machine { stack: vec![input], returns: Vec::new(), cells: vec![0; CELLS] };
    let mut next = 0;
    loop {
        let instruction = *program.get(next)?;
        next += 1;
        let target = instruction.argument as usize;
        match instruction.op {
            Op::Jump => next = target,
            Op::JumpIf => {
                if machine.stack.pop()? != 0 {
                    next = target;
                }
            }
            Op::JumpUnless => {
                if machine.stack.pop()? == 0 {
                    next = target;
                }
            }
            Op::Call => {
                machine.returns.push(next);
                next = target;
            }
            Op::Return => next = machine.returns.pop()?,
            Op::Halt => return machine.stack.pop(),
            _ => machine.apply(instruction)?,
        }
    }
}
