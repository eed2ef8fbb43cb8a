//! An assembler for BPF (`Documentation/bpf/standardization/instruction-set.rst`, RFC 9669).
//!
//! Programs are written as calls, one for an instruction, with labels for jumps. It checks nothing else: the kernel's
//! verifier does.

use super::{Instruction, Map};

/// A register. R0 has what calls and the program return, R1 to R5 arguments of calls, which those spoil; R6 to R9 are
/// kept; R10 is the end of the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Register {
    R0,
    R1,
    R2,
    R3,
    R4,
    R5,
    R6,
    R7,
    R8,
    R9,
    R10,
}

/// The second operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// What a register holds.
    Register(Register),
    /// A constant, sign extended to 64 bits.
    Constant(i32),
}

impl From<Register> for Operand {
    fn from(register: Register) -> Operand {
        Operand::Register(register)
    }
}

impl From<i32> for Operand {
    fn from(constant: i32) -> Operand {
        Operand::Constant(constant)
    }
}

/// How many bytes are read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Size {
    /// 4 bytes.
    U32 = 0x00,
    /// 2 bytes.
    U16 = 0x08,
    /// 1 byte.
    U8 = 0x10,
    /// 8 bytes.
    U64 = 0x18,
}

/// Arithmetic on 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Arithmetic {
    Add = 0x00,
    Sub = 0x10,
    Mul = 0x20,
    Or = 0x40,
    And = 0x50,
    ShiftLeft = 0x60,
    ShiftRight = 0x70,
    Xor = 0xa0,
    Move = 0xb0,
}

/// Why a jump is taken: 64 bits without sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Condition {
    /// Equal.
    Equal = 0x10,
    /// Greater.
    Greater = 0x20,
    /// Some bit of the second is set in the first.
    AnyBit = 0x40,
    /// Different.
    NotEqual = 0x50,
    /// Less.
    Less = 0xa0,
}

/// Functions of the kernel (`enum bpf_func_id`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Function {
    /// `bpf_redirect_map(map, index, action)`: where the map has nothing there, the action is the answer.
    RedirectMap = 51,
}

/// A place in the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label(usize);

/// Why there is no program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssembleError {
    /// A jump goes to a label that is nowhere.
    #[error("a jump at instruction {0} goes nowhere")]
    Nowhere(usize),
    /// A jump is longer than 32767 instructions.
    #[error("the jump at instruction {0} is too long")]
    TooFar(usize),
}

/// A program in the making.
#[derive(Debug, Default)]
pub struct Assembler {
    instructions: Vec<Instruction>,
    labels: Vec<Option<usize>>,
    jumps: Vec<(usize, Label)>,
}

/// The instruction classes.
const LD_IMM64: u8 = 0x18;
const LDX: u8 = 0x61;
const ST: u8 = 0x62;
const STX: u8 = 0x63;
const JMP: u8 = 0x05;
const JMP32: u8 = 0x06;
const ALU64: u8 = 0x07;
/// The operand is a register.
const X: u8 = 0x08;
impl Assembler {
    /// An empty program.
    pub fn new() -> Assembler {
        Assembler::default()
    }

    /// A label that is somewhere later.
    pub fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    /// The label is here.
    pub fn bind(&mut self, label: Label) {
        let here = self.instructions.len();
        if let Some(place) = self.labels.get_mut(label.0) {
            *place = Some(here);
        }
    }

    fn push(&mut self, code: u8, destination: u8, source: u8, offset: i16, immediate: i32) {
        self.instructions.push(Instruction::new(code, destination, source, offset, immediate));
    }

    fn push_operand(&mut self, code: u8, destination: Register, operand: Operand, offset: i16) {
        match operand {
            Operand::Register(source) => self.push(code | X, destination as u8, source as u8, offset, 0),
            Operand::Constant(constant) => self.push(code, destination as u8, 0, offset, constant),
        }
    }

    /// `destination operation= operand`.
    pub fn compute(&mut self, operation: Arithmetic, destination: Register, operand: impl Into<Operand>) {
        self.push_operand(operation as u8 | ALU64, destination, operand.into(), 0);
    }

    /// `destination = operand`.
    pub fn set(&mut self, destination: Register, operand: impl Into<Operand>) {
        self.compute(Arithmetic::Move, destination, operand);
    }

    /// `destination =` a constant of 64 bits; two instructions.
    pub fn set_wide(&mut self, destination: Register, constant: u64) {
        self.push(LD_IMM64, destination as u8, 0, 0, constant as u32 as i32);
        self.push(0, 0, 0, 0, (constant >> 32) as u32 as i32);
    }

    /// `destination =` a map, to be given to a function. The map must be open until the program is loaded.
    pub fn map(&mut self, destination: Register, map: &Map) {
        self.instructions.extend(Instruction::map(destination as u8, map));
    }

    /// `destination =` where the first value of an array begins. As [`Assembler::map`].
    pub fn map_value(&mut self, destination: Register, map: &Map) {
        self.instructions.extend(Instruction::map_value(destination as u8, map, 0));
    }

    /// Cuts a register down to its lower 16 bits and turns them from network order to the machine's, or back.
    pub fn network_order(&mut self, register: Register) {
        // BPF_ALU | BPF_END | BPF_TO_BE.
        self.push(0xdc, register as u8, 0, 0, 16);
    }

    /// `destination = memory[base + offset]`, extended with zeros.
    pub fn load(&mut self, size: Size, destination: Register, base: Register, offset: i16) {
        self.push(LDX | size as u8, destination as u8, base as u8, offset, 0);
    }

    /// `memory[base + offset] = operand`.
    pub fn store(&mut self, size: Size, base: Register, offset: i16, operand: impl Into<Operand>) {
        match operand.into() {
            Operand::Register(source) => self.push(STX | size as u8, base as u8, source as u8, offset, 0),
            Operand::Constant(constant) => self.push(ST | size as u8, base as u8, 0, offset, constant),
        }
    }

    /// `memory[base + offset] += source` on 8 bytes, at once for all processors.
    pub fn atomic_add(&mut self, base: Register, offset: i16, source: Register) {
        // BPF_STX | BPF_ATOMIC | BPF_DW, BPF_ADD.
        self.push(0xdb, base as u8, source as u8, offset, 0);
    }

    /// Jumps if the condition holds.
    pub fn jump_if(
        &mut self,
        condition: Condition,
        first: Register,
        second: impl Into<Operand>,
        label: Label,
    ) {
        self.jumps.push((self.instructions.len(), label));
        self.push_operand(condition as u8 | JMP, first, second.into(), 0);
    }

    /// Jumps if the condition holds for the lower 32 bits.
    pub fn jump_if_half(
        &mut self,
        condition: Condition,
        first: Register,
        second: impl Into<Operand>,
        label: Label,
    ) {
        self.jumps.push((self.instructions.len(), label));
        self.push_operand(condition as u8 | JMP32, first, second.into(), 0);
    }

    /// Jumps.
    pub fn jump(&mut self, label: Label) {
        self.jumps.push((self.instructions.len(), label));
        self.push(JMP, 0, 0, 0, 0);
    }

    /// Calls a function of the kernel.
    pub fn call(&mut self, function: Function) {
        self.push(0x85, 0, 0, 0, function as i32);
    }

    /// Ends the program; R0 is its answer.
    pub fn exit(&mut self) {
        self.push(0x95, 0, 0, 0, 0);
    }

    /// The program.
    ///
    /// # Errors
    /// [`AssembleError`].
    pub fn finish(mut self) -> Result<Vec<Instruction>, AssembleError> {
        for (at, label) in self.jumps {
            let target = self.labels.get(label.0).copied().flatten().ok_or(AssembleError::Nowhere(at))?;
            let distance = target as i64 - at as i64 - 1;
            if let Some(instruction) = self.instructions.get_mut(at) {
                instruction.offset = i16::try_from(distance).map_err(|_| AssembleError::TooFar(at))?;
            }
        }
        Ok(self.instructions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn instructions_are_as_clang_makes_them() {
        // clang 14 -O2 -target bpf, llvm-objdump -d.
        let mut program = Assembler::new();
        let end = program.label();
        program.set(Register::R0, 1); // b7 00 00 00 01 00 00 00
        program.load(Size::U32, Register::R2, Register::R1, 4); // 61 12 04 00
        program.load(Size::U8, Register::R3, Register::R2, 23); // 71 23 17 00
        program.compute(Arithmetic::Add, Register::R2, Register::R3); // 0f 32
        program.jump_if(Condition::Greater, Register::R2, Register::R3, end); // 2d 32 02 00
        program.store(Size::U16, Register::R10, -8, Register::R3); // 6b 3a f8 ff
        program.atomic_add(Register::R1, 8, Register::R2); // db 21 08 00
        program.bind(end);
        program.exit();
        let bytes: Vec<[u8; 8]> = program.finish().unwrap().iter().map(|one| one.encode()).collect();
        let expected: [[u8; 8]; 8] = [
            [0xb7, 0, 0, 0, 1, 0, 0, 0],
            [0x61, 0x12, 4, 0, 0, 0, 0, 0],
            [0x71, 0x23, 23, 0, 0, 0, 0, 0],
            [0x0f, 0x32, 0, 0, 0, 0, 0, 0],
            [0x2d, 0x32, 2, 0, 0, 0, 0, 0],
            [0x6b, 0x3a, 0xf8, 0xff, 0, 0, 0, 0],
            [0xdb, 0x21, 8, 0, 0, 0, 0, 0],
            [0x95, 0, 0, 0, 0, 0, 0, 0],
        ];
        assert_eq!(bytes, expected);
    }

    #[test]
    fn a_jump_to_nowhere_is_no_program() {
        let mut program = Assembler::new();
        let nowhere = program.label();
        program.jump(nowhere);
        assert_eq!(program.finish(), Err(AssembleError::Nowhere(0)));
    }
}
