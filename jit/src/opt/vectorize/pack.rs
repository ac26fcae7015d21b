//! Which operations of several rounds can be done at once: trees of equal operations, from stores to
//! neighbouring places down to loads from neighbouring places.
//!
//! A [`Lane`] is a value of the loop in one of the rounds. What a vector of lanes is computed from is
//! a [`Node`]; the same lanes are the same node.
//!
//! Where the stores write less than the values' width, the operations are done in the narrow lanes if
//! their low bits depend on the low bits of their operands alone.

use super::super::code::{def, int_const, is_const, signed};
use super::super::memory::address_of;
use super::reach::{Access, Addresses, Reach, Variables};
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::{
    Block, Function, Inst, InstBuilder, InstructionData, MemFlagsData, Opcode, Type, Value, types,
};
use smallvec::SmallVec;
use std::collections::HashMap;

/// Bytes of a vector.
pub(super) const BYTES: u32 = 16;
/// Nodes of one body.
const MAX_NODES: usize = 40;
/// How deep trees are followed.
const MAX_DEPTH: u32 = 24;

/// A value in one of the rounds that a body does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Lane {
    value: Value,
    round: u32,
}

pub(super) type Lanes = SmallVec<[Lane; 16]>;

/// How a vector comes about.
enum Node {
    /// The same value in all lanes, which the loop does not change.
    Splat(Value),
    /// The same place in memory in all rounds.
    SplatLoad(Inst),
    /// Neighbouring places, from that of `inst` in round `round` on.
    Load { inst: Inst, round: i32 },
    /// An operation on vectors.
    Op {
        opcode: Opcode,
        args: SmallVec<[usize; 2]>,
    },
    /// A shift by as much in all lanes.
    Shift {
        opcode: Opcode,
        arg: usize,
        by: Value,
    },
}

/// A store of a vector: the instruction and round that give its place, and what.
pub(super) struct Write {
    pub(super) inst: Inst,
    pub(super) round: u32,
    pub(super) node: usize,
}

/// The vectors of a body.
pub(super) struct Packer<'a> {
    func: &'a Function,
    header: Block,
    variables: &'a Variables,
    reach: &'a Reach,
    accesses: HashMap<Inst, Access>,
    nodes: Vec<(Node, Type)>,
    known: HashMap<(Lanes, Type), usize>,
    /// Nodes by group and place that they are loaded from.
    loads: HashMap<(usize, i64, Type), usize>,
}

/// What [`Packer`] found.
pub(super) struct Packed {
    nodes: Vec<(Node, Type)>,
    pub(super) writes: Vec<Write>,
}

impl<'a> Packer<'a> {
    pub(super) fn new(
        func: &'a Function,
        header: Block,
        variables: &'a Variables,
        reach: &'a Reach,
    ) -> Packer<'a> {
        Packer {
            func,
            header,
            variables,
            reach,
            accesses: reach.accesses.iter().map(|a| (a.inst, *a)).collect(),
            nodes: Vec::new(),
            known: HashMap::new(),
            loads: HashMap::new(),
        }
    }

    /// The body of `rounds` rounds, if all its stores can be vectors.
    pub(super) fn pack(mut self, rounds: u32) -> Option<Packed> {
        let mut stores: Vec<(Access, u32, i64)> = Vec::new();
        for access in self.reach.accesses.iter().filter(|access| access.is_store) {
            for round in 0..rounds {
                stores.push((*access, round, self.place(access, round)));
            }
        }
        stores.sort_by_key(|(access, _, place)| (access.group, access.ty.bytes(), *place));
        let mut writes = Vec::new();
        let mut rest = &stores[..];
        while let Some((first, round, from)) = rest.first() {
            let count = (BYTES / first.ty.bytes()) as usize;
            let (these, others) = rest.split_at_checked(count)?;
            rest = others;
            let mut lanes = Lanes::new();
            for (at, (access, round, place)) in these.iter().enumerate() {
                let next = *place == from + at as i64 * i64::from(first.ty.bytes());
                if access.group != first.group || access.ty.bytes() != first.ty.bytes() || !next {
                    return None;
                }
                lanes.push(self.lane(self.func.dfg.inst_args(access.inst)[0], *round));
            }
            let node = self.node(lanes, first.ty, 0)?;
            writes.push(Write {
                inst: first.inst,
                round: *round,
                node,
            });
        }
        Some(Packed {
            nodes: self.nodes,
            writes,
        })
    }

    /// Where an access of a round is made, as a constant of its group's sum.
    fn place(&self, access: &Access, round: u32) -> i64 {
        access.constant + self.reach.step(access) * i64::from(round)
    }

    /// What the loop does not change is the same in all rounds, and so is what it loads from one place.
    fn lane(&self, value: Value, round: u32) -> Lane {
        let stays = |access: &Access| self.reach.step(access) == 0;
        let load = self.inside(value).and_then(|inst| self.accesses.get(&inst));
        let same = self.is_fixed(value) || load.is_some_and(stays);
        let round = if same { 0 } else { round };
        Lane { value, round }
    }

    /// Whether the loop does not change `value`, or it is a constant.
    fn is_fixed(&self, value: Value) -> bool {
        match self.inside(value) {
            Some(inst) => is_const(self.func, inst),
            None => !self.func.dfg.block_params(self.header).contains(&value),
        }
    }

    /// The instruction of the loop that computes `value`.
    fn inside(&self, value: Value) -> Option<Inst> {
        def(&self.func.dfg, value)
            .filter(|inst| self.func.layout.inst_block(*inst) == Some(self.header))
    }

    /// A vector of these lanes, of type `ty` each.
    fn node(&mut self, lanes: Lanes, ty: Type, depth: u32) -> Option<usize> {
        let key = (lanes, ty);
        if let Some(known) = self.known.get(&key) {
            return Some(*known);
        }
        if depth > MAX_DEPTH {
            return None;
        }
        let lanes = &key.0;
        let node = match self.splat(lanes) {
            Some(node) => node,
            None => {
                if self.access(lanes[0]).is_some() {
                    self.load(lanes, ty)?
                } else {
                    let inside = lanes.iter().map(|lane| self.inside(lane.value));
                    let insts: SmallVec<[Inst; 16]> = inside.collect::<Option<_>>()?;
                    if let Some(through) = self.through(&insts, ty) {
                        through.then_some(())?;
                        let args = self.operands(lanes, &insts, 0);
                        let node = self.node(args, ty, depth + 1)?;
                        self.known.insert(key, node);
                        return Some(node);
                    }
                    self.operation(lanes, &insts, ty, depth)?
                }
            }
        };
        // Other lanes may come from the same place: what was carried, neighbours in a later round.
        let place = match node {
            Node::Load { inst, round } => {
                let access = self.accesses[&inst];
                let step = self.reach.step(&access) * i64::from(round);
                Some((access.group, access.constant + step, ty))
            }
            _ => None,
        };
        let loaded = place.and_then(|place| self.loads.get(&place).copied());
        let at = match loaded {
            Some(at) => at,
            None if self.nodes.len() == MAX_NODES => return None,
            None => {
                self.nodes.push((node, ty));
                self.nodes.len() - 1
            }
        };
        self.loads.extend(place.map(|place| (place, at)));
        self.known.insert(key, at);
        Some(at)
    }

    fn splat(&self, lanes: &Lanes) -> Option<Node> {
        let first = lanes[0];
        let same = |lane: &Lane| *lane == first || self.same_constant(lane.value, first.value);
        (self.is_fixed(first.value) && lanes.iter().all(same)).then_some(Node::Splat(first.value))
    }

    /// Whether both are the same constant, which may stand in several places.
    fn same_constant(&self, a: Value, b: Value) -> bool {
        let dfg = &self.func.dfg;
        let constant = |value| def(dfg, value).filter(|inst| is_const(self.func, *inst));
        let (Some(x), Some(y)) = (constant(a), constant(b)) else {
            return false;
        };
        dfg.value_type(a) == dfg.value_type(b) && dfg.insts[x] == dfg.insts[y]
    }

    /// Where a lane is loaded from: a load, or a variable that was loaded in an earlier round.
    fn access(&self, lane: Lane) -> Option<Access> {
        if let Some((inst, ago)) = self.variables.loaded(lane.value) {
            return self.reach.earlier(inst, ago);
        }
        self.accesses.get(&self.inside(lane.value)?).copied()
    }

    fn load(&self, lanes: &Lanes, ty: Type) -> Option<Node> {
        let first = self.access(lanes[0])?;
        let from = self.place(&first, lanes[0].round);
        let (mut neighbours, mut same) = (true, true);
        for (at, lane) in lanes.iter().enumerate() {
            let access = self.access(*lane)?;
            if access.group != first.group || access.ty != ty || access.is_store {
                return None;
            }
            let place = self.place(&access, lane.round);
            neighbours &= place == from + at as i64 * i64::from(ty.bytes());
            same &= place == from;
        }
        let never_moves = self.reach.step(&first) == 0;
        let ago = self
            .variables
            .loaded(lanes[0].value)
            .map_or(0, |(_, ago)| ago);
        let inst = first.inst;
        match (neighbours, same && never_moves) {
            (true, _) => Some(Node::Load {
                inst,
                round: lanes[0].round as i32 - ago as i32,
            }),
            (_, true) => Some(Node::SplatLoad(inst)),
            _ => None,
        }
    }

    /// Whether all of these hand on low bits, if the first does: conversions between widths.
    fn through(&self, insts: &[Inst], ty: Type) -> Option<bool> {
        let hands = |inst: &Inst| match self.func.dfg.insts[*inst].opcode() {
            Opcode::Ireduce => true,
            Opcode::Uextend | Opcode::Sextend => {
                let from = self.func.dfg.inst_args(*inst)[0];
                self.func.dfg.value_type(from).bits() >= ty.bits()
            }
            _ => false,
        };
        hands(&insts[0]).then(|| ty.is_int() && insts.iter().all(hands))
    }

    /// The lanes of an operand.
    fn operands(&self, lanes: &Lanes, insts: &[Inst], at: usize) -> Lanes {
        let value = |inst: &Inst| self.func.dfg.inst_args(*inst)[at];
        let pairs = lanes.iter().zip(insts);
        pairs
            .map(|(lane, inst)| self.lane(value(inst), lane.round))
            .collect()
    }

    fn operation(&mut self, lanes: &Lanes, insts: &[Inst], ty: Type, depth: u32) -> Option<Node> {
        let dfg = &self.func.dfg;
        let opcode = dfg.insts[insts[0]].opcode();
        let width = dfg.value_type(lanes[0].value);
        let same = |(lane, inst): (&Lane, &Inst)| {
            dfg.insts[*inst].opcode() == opcode && dfg.value_type(lane.value) == width
        };
        if !lanes.iter().zip(insts).all(same) {
            return None;
        }
        let whole = width == ty;
        let narrow = width.is_int() && ty.is_int() && width.bits() > ty.bits();
        match opcode {
            Opcode::Fadd
            | Opcode::Fsub
            | Opcode::Fmul
            | Opcode::Fdiv
            | Opcode::Fmin
            | Opcode::Fmax
            | Opcode::Sqrt
            | Opcode::Fneg
            | Opcode::Fabs
                if whole => {}
            Opcode::Iadd
            | Opcode::Isub
            | Opcode::Ineg
            | Opcode::Band
            | Opcode::Bor
            | Opcode::Bxor
            | Opcode::Bnot
                if whole && ty.is_int() || narrow => {}
            Opcode::Imul if (whole || narrow) && matches!(ty, types::I16 | types::I32) => {}
            Opcode::Ishl | Opcode::Ushr if whole && matches!(ty, types::I32 | types::I64) => {}
            Opcode::Sshr if whole && ty == types::I32 => {}
            _ => return None,
        }
        if matches!(opcode, Opcode::Ishl | Opcode::Ushr | Opcode::Sshr) {
            let by = self.operands(lanes, insts, 1);
            let Node::Splat(by) = self.splat(&by)? else {
                return None;
            };
            let arg = self.operands(lanes, insts, 0);
            let arg = self.node(arg, ty, depth + 1)?;
            return Some(Node::Shift { opcode, arg, by });
        }
        let mut args: SmallVec<[Lanes; 2]> = (0..dfg.inst_args(insts[0]).len())
            .map(|at| self.operands(lanes, insts, at))
            .collect();
        if let ([a, b], true) = (&mut args[..], commutes(opcode)) {
            self.align(a, b);
        }
        let mut nodes = SmallVec::new();
        for arg in args {
            nodes.push(self.node(arg, ty, depth + 1)?);
        }
        Some(Node::Op {
            opcode,
            args: nodes,
        })
    }

    /// Exchanges the operands of lanes in which they stand the other way round than in the first.
    fn align(&self, a: &mut Lanes, b: &mut Lanes) {
        for lane in 1..a.len() {
            let kinds = (self.kind(a[0]), self.kind(b[0]));
            if (self.kind(a[lane]), self.kind(b[lane])) != kinds
                && (self.kind(b[lane]), self.kind(a[lane])) == kinds
            {
                std::mem::swap(&mut a[lane], &mut b[lane]);
            }
        }
    }

    /// What tells operands apart: the operation, the group of a load, the value if the loop does not
    /// change it.
    fn kind(&self, lane: Lane) -> (Option<Opcode>, usize, Option<Value>) {
        if let Some((inst, _)) = self.variables.loaded(lane.value) {
            let group = self.access(lane).map_or(0, |access| access.group);
            return (Some(self.func.dfg.insts[inst].opcode()), group, None);
        }
        let inst = self.inside(lane.value);
        match inst.filter(|inst| !is_const(self.func, *inst)) {
            None => (None, 0, Some(lane.value)),
            Some(inst) => {
                let group = self.access(lane).map_or(0, |access| access.group);
                (Some(self.func.dfg.insts[inst].opcode()), group, None)
            }
        }
    }
}

fn commutes(opcode: Opcode) -> bool {
    use Opcode::{Band, Bor, Bxor, Fadd, Fmul, Iadd, Imul};
    matches!(opcode, Fadd | Fmul | Iadd | Imul | Band | Bor | Bxor)
}

impl Packed {
    /// How many vectors every turn of the body computes.
    pub(super) fn weight(&self) -> usize {
        let inside = |node: &&(Node, Type)| !matches!(node.0, Node::Splat(_) | Node::SplatLoad(_));
        self.nodes.iter().filter(inside).count()
    }

    /// Computes what is the same in all rounds, in the block before the body; the vectors so far.
    pub(super) fn before(
        &self,
        cursor: &mut FuncCursor<'_>,
        addresses: &mut Addresses,
    ) -> Option<Vec<Option<Value>>> {
        let mut done = vec![None; self.nodes.len()];
        for (at, (node, ty)) in self.nodes.iter().enumerate() {
            let scalar = match node {
                Node::Splat(value) => scalar(cursor, *value, *ty),
                Node::SplatLoad(inst) => {
                    let (address, flags, offset) = place(cursor.func, *inst)?;
                    let address = addresses.address(cursor, address)?;
                    cursor.ins().load(*ty, flags, address, offset)
                }
                _ => continue,
            };
            done[at] = Some(cursor.ins().splat(vector(*ty), scalar));
        }
        Some(done)
    }

    /// Computes all else and stores it; `steps` are the bytes by which places grow in a round.
    pub(super) fn body(
        &self,
        cursor: &mut FuncCursor<'_>,
        addresses: &mut Addresses,
        mut done: Vec<Option<Value>>,
        steps: impl Fn(Inst) -> i64,
    ) -> Option<()> {
        let offset_of = |offset: i32, inst: Inst, round: i32| {
            i32::try_from(i64::from(offset) + steps(inst) * i64::from(round)).ok()
        };
        for (at, (node, ty)) in self.nodes.iter().enumerate() {
            let wide = vector(*ty);
            let value = match node {
                Node::Splat(_) | Node::SplatLoad(_) => continue,
                Node::Load { inst, round } => {
                    let (address, flags, offset) = place(cursor.func, *inst)?;
                    let address = addresses.address(cursor, address)?;
                    let offset = offset_of(offset, *inst, *round)?;
                    cursor.ins().load(wide, flags, address, offset)
                }
                Node::Op { opcode, args } => {
                    let args: SmallVec<[Value; 2]> =
                        args.iter().filter_map(|arg| done[*arg]).collect();
                    let (inst, dfg) = match *args {
                        [a] => cursor.ins().Unary(*opcode, wide, a),
                        [a, b] => cursor.ins().Binary(*opcode, wide, a, b),
                        _ => return None,
                    };
                    dfg.first_result(inst)
                }
                Node::Shift { opcode, arg, by } => {
                    let by = match int_const(&cursor.func.dfg, *by) {
                        Some(bits) => cursor.ins().iconst(types::I32, bits as u8 as i64),
                        None if cursor.func.dfg.value_type(*by) == types::I64 => {
                            cursor.ins().ireduce(types::I32, *by)
                        }
                        None => *by,
                    };
                    let (inst, dfg) = cursor.ins().Binary(*opcode, wide, done[*arg]?, by);
                    dfg.first_result(inst)
                }
            };
            done[at] = Some(value);
        }
        for write in &self.writes {
            let (address, flags, offset) = place(cursor.func, write.inst)?;
            let address = addresses.address(cursor, address)?;
            let offset = offset_of(offset, write.inst, write.round as i32)?;
            cursor
                .ins()
                .store(flags, done[write.node]?, address, offset);
        }
        Some(())
    }
}

/// A value or constant of the loop as a number of type `ty`: its low bits.
fn scalar(cursor: &mut FuncCursor<'_>, value: Value, ty: Type) -> Value {
    let dfg = &cursor.func.dfg;
    let from = dfg.value_type(value);
    if let Some(bits) = int_const(dfg, value) {
        return cursor.ins().iconst(ty, signed(bits, ty));
    }
    if let Some(inst) = def(dfg, value).filter(|inst| is_const(cursor.func, *inst)) {
        let again = cursor.func.dfg.clone_inst(inst);
        cursor.insert_inst(again);
        return cursor.func.dfg.first_result(again);
    }
    if from == ty {
        value
    } else {
        cursor.ins().ireduce(ty, value)
    }
}

/// Address, flags and offset of a load or store.
pub(super) fn place(func: &Function, inst: Inst) -> Option<(Value, MemFlagsData, i32)> {
    let (InstructionData::Load { flags, .. } | InstructionData::Store { flags, .. }) =
        func.dfg.insts[inst]
    else {
        return None;
    };
    let address = address_of(func, inst)?;
    let offset = func.dfg.insts[inst].load_store_offset()?;
    Some((address, func.dfg.mem_flags[flags], offset))
}

fn vector(lane: Type) -> Type {
    lane.by(BYTES / lane.bytes()).unwrap_or(types::I8X16)
}
