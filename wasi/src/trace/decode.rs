//! From raw parameters and guest memory to values that people read.
//!
//! Reads guest memory and the descriptor table; must never change either.

use std::time::Duration;

use super::shapes::{self, Shape};
use super::{Field, Value};
use crate::call::Function;
use crate::ctx::WasiCtx;
use crate::errno::Errno;
use crate::memory::GuestMemory;
use crate::types::{
    ClockId, Event, FdFlags, FileType, FstFlags, Interest, LookupFlags, OFlags, RiFlags, Rights,
    SdFlags, Subscription, Whence,
};

/// How many characters of a text are shown, and how many elements of a list.
const TEXT: u32 = 256;
const LIST: u32 = 4;

/// The parameters of one call.
pub(super) struct Decoder {
    what: Function,
    raw: [u64; 9],
}

impl Decoder {
    pub(super) fn new(what: Function, parameters: &[u64]) -> Decoder {
        let mut raw = [0; 9];
        raw[..parameters.len()].copy_from_slice(parameters);
        Decoder { what, raw }
    }

    pub(super) fn name(&self) -> &'static str {
        self.what.name
    }

    /// Each part of the table with the place of its first parameter.
    fn parts(&self) -> impl Iterator<Item = (&'static str, Shape, usize)> {
        let mut at = 0;
        shapes::parameters(self.what.name)
            .iter()
            .map(move |(name, shape)| {
                at += shape.width();
                (*name, *shape, at - shape.width())
            })
    }

    fn word(&self, at: usize) -> u32 {
        self.raw[at] as u32
    }

    /// What the function was given. To be called before it runs.
    pub(super) fn arguments(&self, mem: &GuestMemory<'_>, ctx: &WasiCtx) -> Vec<Field> {
        self.parts()
            .filter_map(|(name, shape, at)| {
                let value = self.argument(shape, at, mem, ctx)?;
                Some(Field { name, value })
            })
            .collect()
    }

    /// What the function gave back. To be called after it succeeded.
    pub(super) fn results(&self, mem: &GuestMemory<'_>, ctx: &WasiCtx) -> Vec<Field> {
        self.parts()
            .filter_map(|(name, shape, at)| {
                let value = self.result(shape, at, mem, ctx)?;
                Some(Field { name, value })
            })
            .collect()
    }

    /// The descriptor that the function made.
    pub(super) fn new_fd(&self, mem: &GuestMemory<'_>) -> Option<u32> {
        let (_, _, at) = self.parts().find(|(_, shape, _)| *shape == Shape::OutFd)?;
        word(mem, self.word(at))
    }

    fn argument(
        &self,
        shape: Shape,
        at: usize,
        mem: &GuestMemory<'_>,
        ctx: &WasiCtx,
    ) -> Option<Value> {
        let (raw, small) = (self.raw[at], self.word(at));
        Some(match shape {
            Shape::Fd => fd(ctx, small),
            Shape::Path => text(mem, small, self.word(at + 1)),
            Shape::Buffers => buffers(mem, small, self.word(at + 1)),
            Shape::Buffer => Value::Buffers {
                count: 1,
                total: self.raw[at + 1],
            },
            Shape::Number => Value::Number(raw),
            Shape::Signed => Value::Signed(raw as i64),
            Shape::Time => Value::Time(Duration::from_nanos(raw)),
            Shape::Clock => clock(small),
            Shape::Whence => match Whence::from_arg(self.what.abi, small) {
                Ok(Whence::Set) => Value::Name("SET"),
                Ok(Whence::Cur) => Value::Name("CUR"),
                Ok(Whence::End) => Value::Name("END"),
                Err(_) => Value::Number(raw),
            },
            Shape::Advice => [
                "NORMAL",
                "SEQUENTIAL",
                "RANDOM",
                "WILLNEED",
                "DONTNEED",
                "NOREUSE",
            ]
            .get(small as usize)
            .map_or(Value::Number(raw), |name| Value::Name(name)),
            Shape::Rights => set(raw, Rights::NAMES),
            Shape::FdFlags => set(raw, FdFlags::NAMES),
            Shape::OFlags => set(raw, OFlags::NAMES),
            Shape::LookupFlags => set(raw, LookupFlags::NAMES),
            Shape::FstFlags => set(raw, FstFlags::NAMES),
            Shape::RiFlags => set(raw, RiFlags::NAMES),
            Shape::SdFlags => set(raw, SdFlags::NAMES),
            Shape::Subscriptions => self.subscriptions(small, self.word(at + 2), mem, ctx),
            _ => return None,
        })
    }

    fn result(
        &self,
        shape: Shape,
        at: usize,
        mem: &GuestMemory<'_>,
        ctx: &WasiCtx,
    ) -> Option<Value> {
        let address = self.word(at);
        let value = match shape {
            Shape::OutCount => word(mem, address).map(|count| Value::Number(count.into())),
            Shape::OutSize => long(mem, address).map(Value::Number),
            Shape::OutFd => word(mem, address).map(|number| fd(ctx, number)),
            Shape::OutTime => {
                long(mem, address).map(|time| Value::Time(Duration::from_nanos(time)))
            }
            Shape::OutFdStat => fdstat(mem, address),
            Shape::OutFileStat => self.filestat(mem, address),
            Shape::OutPrestat => {
                let length = word(mem, address.wrapping_add(4));
                length.map(|length| record([("name_length", Value::Number(length.into()))]))
            }
            Shape::OutText => Some(text(mem, address, self.word(at + 1))),
            Shape::OutCountedText => {
                let length = word(mem, self.word(at + 2))?.min(self.word(at + 1));
                Some(text(mem, address, length))
            }
            Shape::OutEvents => self.events(address, self.word(at + 2), mem),
            Shape::OutRoFlags => mem
                .bytes(address, 1)
                .ok()
                .map(|flags| set(flags[0].into(), &[("DATA_TRUNCATED", 1)])),
            _ => return None,
        };
        Some(value.unwrap_or(Value::Unreadable(address)))
    }

    fn filestat(&self, mem: &GuestMemory<'_>, address: u32) -> Option<Value> {
        // The layouts differ in the width of the link count.
        let tail = match self.what.abi {
            crate::types::Abi::Preview1 => 32,
            crate::types::Abi::Unstable => 24,
        };
        let kind = mem.bytes(address.checked_add(16)?, 1).ok()?[0];
        let time = |index: u32| {
            let time = long(mem, address.checked_add(tail + 8 * index)?)?;
            Some(Value::Time(Duration::from_nanos(time)))
        };
        Some(record([
            ("ino", Value::Number(long(mem, address.checked_add(8)?)?)),
            ("type", filetype(kind)),
            (
                "size",
                Value::Number(long(mem, address.checked_add(tail)?)?),
            ),
            ("mtim", time(2)?),
        ]))
    }

    fn subscriptions(&self, at: u32, count: u32, mem: &GuestMemory<'_>, ctx: &WasiCtx) -> Value {
        let size = Subscription::size(self.what.abi);
        let mut shown = Vec::new();
        for index in 0..count.min(LIST) {
            let address = at.wrapping_add(index * size);
            let Ok(bytes) = mem.bytes(address, size) else {
                return Value::Unreadable(address);
            };
            let subscription = Subscription::decode(self.what.abi, bytes);
            shown.push(match subscription.interest {
                Some(Interest::Clock {
                    id,
                    timeout,
                    absolute,
                }) => record([
                    ("clock", clock(id)),
                    (
                        if absolute { "at" } else { "after" },
                        Value::Time(Duration::from_nanos(timeout)),
                    ),
                ]),
                Some(Interest::Read(number)) => record([("read", fd(ctx, number))]),
                Some(Interest::Write(number)) => record([("write", fd(ctx, number))]),
                None => record([("type", Value::Number(subscription.event_type.into()))]),
            });
        }
        let more = u64::from(count) - shown.len() as u64;
        Value::List(shown, more)
    }

    fn events(&self, at: u32, count_at: u32, mem: &GuestMemory<'_>) -> Option<Value> {
        let count = word(mem, count_at)?;
        let mut shown = Vec::new();
        for index in 0..count.min(LIST) {
            let bytes = mem
                .bytes(at.wrapping_add(index * Event::SIZE), Event::SIZE)
                .ok()?;
            let errno = u16::from_le_bytes([bytes[8], bytes[9]]);
            let kind = match bytes[10] {
                0 => "clock",
                1 => "read",
                _ => "write",
            };
            let nbytes = Value::Number(u64::from_le_bytes(bytes[16..24].try_into().ok()?));
            shown.push(match Errno::from_number(errno) {
                Some(Errno::Success) => record([(kind, nbytes)]),
                Some(errno) => record([(kind, Value::Name(errno.name()))]),
                None => record([(kind, Value::Number(errno.into()))]),
            });
        }
        let more = u64::from(count) - shown.len() as u64;
        Some(Value::List(shown, more))
    }
}

fn record<const N: usize>(fields: [(&'static str, Value); N]) -> Value {
    let field = |(name, value)| Field { name, value };
    Value::Record(fields.into_iter().map(field).collect())
}

fn word(mem: &GuestMemory<'_>, address: u32) -> Option<u32> {
    let bytes = mem.bytes(address, 4).ok()?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

fn long(mem: &GuestMemory<'_>, address: u32) -> Option<u64> {
    let bytes = mem.bytes(address, 8).ok()?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

fn fd(ctx: &WasiCtx, number: u32) -> Value {
    Value::Fd {
        number,
        what: ctx.labels.describe(&ctx.table, number),
    }
}

/// Text of the guest's: cut when long, and nothing that is not there.
fn text(mem: &GuestMemory<'_>, address: u32, len: u32) -> Value {
    let Ok(bytes) = mem.bytes(address, len) else {
        return Value::Unreadable(address);
    };
    let mut shown = String::from_utf8_lossy(&bytes[..len.min(TEXT) as usize]).into_owned();
    if len > TEXT {
        shown.push('…');
    }
    Value::Text(shown)
}

fn buffers(mem: &GuestMemory<'_>, address: u32, count: u32) -> Value {
    // A longer list is refused by every function.
    let list = Some(count)
        .filter(|count| *count <= 65_536)
        .and_then(|count| count.checked_mul(8))
        .and_then(|len| mem.bytes(address, len).ok());
    let Some(list) = list else {
        return Value::Unreadable(address);
    };
    let length =
        |entry: &[u8]| u64::from(u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]));
    Value::Buffers {
        count,
        total: list.chunks_exact(8).map(length).sum(),
    }
}

fn clock(id: u32) -> Value {
    match ClockId::from_arg(id) {
        Ok(ClockId::Realtime) => Value::Name("REALTIME"),
        Ok(ClockId::Monotonic) => Value::Name("MONOTONIC"),
        Ok(ClockId::ProcessCpu) => Value::Name("PROCESS_CPUTIME"),
        Ok(ClockId::ThreadCpu) => Value::Name("THREAD_CPUTIME"),
        Err(_) => Value::Number(id.into()),
    }
}

fn filetype(raw: u8) -> Value {
    const NAMES: [(FileType, &str); 8] = [
        (FileType::Unknown, "unknown"),
        (FileType::BlockDevice, "block device"),
        (FileType::CharacterDevice, "character device"),
        (FileType::Directory, "directory"),
        (FileType::RegularFile, "regular file"),
        (FileType::SocketDgram, "datagram socket"),
        (FileType::SocketStream, "stream socket"),
        (FileType::SymbolicLink, "symbolic link"),
    ];
    NAMES
        .iter()
        .find(|(known, _)| *known as u8 == raw)
        .map_or(Value::Number(raw.into()), |(_, name)| Value::Name(name))
}

fn fdstat(mem: &GuestMemory<'_>, address: u32) -> Option<Value> {
    let bytes = mem.bytes(address, 4).ok()?;
    Some(record([
        ("type", filetype(bytes[0])),
        (
            "flags",
            set(
                u16::from_le_bytes([bytes[2], bytes[3]]).into(),
                FdFlags::NAMES,
            ),
        ),
        (
            "base",
            set(long(mem, address.checked_add(8)?)?, Rights::NAMES),
        ),
        (
            "inheriting",
            set(long(mem, address.checked_add(16)?)?, Rights::NAMES),
        ),
    ]))
}

/// A set of flags; those that are missing if they are fewer and the set is large.
fn set(raw: u64, known: &'static [(&'static str, u64)]) -> Value {
    let names = |wanted: bool| -> Vec<&'static str> {
        known
            .iter()
            .filter(|(_, bit)| (raw & bit != 0) == wanted)
            .map(|(name, _)| *name)
            .collect()
    };
    let (present, missing) = (names(true), names(false));
    let all_but = known.len() > 8 && missing.len() < present.len();
    Value::Flags {
        names: if all_but { missing } else { present },
        all_but,
        unknown: known.iter().fold(raw, |rest, (_, bit)| rest & !bit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_shown_by_the_shorter_half() {
        assert_eq!(set(0, Rights::NAMES).to_string(), "0");
        assert_eq!(set(Rights::ALL.0, Rights::NAMES).to_string(), "ALL");
        assert_eq!(
            set(Rights::FILE.0, Rights::NAMES).to_string(),
            "~(SOCK_SHUTDOWN|SOCK_ACCEPT)"
        );
        assert_eq!(set(0x26, FdFlags::NAMES).to_string(), "DSYNC|NONBLOCK|0x20");
        assert_eq!(set(0x20, FdFlags::NAMES).to_string(), "0x20");
    }
}
