//! An allow-list of system calls as a classic BPF program (seccomp(2)).
//!
//! A binary search over ranges of the call's number, neighbours with the same verdict being one:
//! the kernel runs a new filter once for each number there is, so a linear list costs a child a
//! quarter of a millisecond (`docs/sandbox.md`). Other architectures and x32, whose numbers mean
//! other calls, are killed before anything is looked up.
//!
//! Comes in: the rules of a profile. Goes out: the program for one child. May not know what a call
//! is for. Held by the tests beside it, which run the program as the kernel would, and by the
//! battery's attempts at every entry of every profile.

mod rule;

use std::collections::BTreeMap;

use libc::sock_filter;
use nix::{errno::Errno, unistd::Pid};
use syscalls::Sysno;

use rule::ConditionValue;
pub(super) use rule::{Action, CallRule, Condition};

/// A program whose process and descriptor are still to be filled in.
#[derive(Clone, Debug, Default)]
pub(super) struct SyscallFilter {
    code: Vec<sock_filter>,
    own_process: Vec<usize>,
    tool: Vec<usize>,
}

// `struct seccomp_data` (seccomp(2)): the number, the architecture, the instruction pointer, six
// arguments.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const FIRST_ARGUMENT: u32 = 16;

/// linux/audit.h: the machine's ELF number, 64 bits, little endian.
#[cfg(target_arch = "x86_64")]
const OURS: u32 = 62 | 0x8000_0000 | 0x4000_0000;
#[cfg(target_arch = "aarch64")]
const OURS: u32 = 183 | 0x8000_0000 | 0x4000_0000;

/// x32 calls have this bit in their number (asm/unistd.h). No architecture has calls from here on.
const FIRST_OF_X32: u32 = 0x4000_0000;

/// The end of a call that no rule names.
const DEFAULT: Action = Action::Refuse(Errno::EPERM);

impl SyscallFilter {
    /// Compiles an allow-list.
    pub(super) fn compile(rules: &BTreeMap<Sysno, CallRule>) -> Result<Self, String> {
        Self::compiled(rules, DEFAULT)
    }

    /// Compiles a filter that changes these calls only.
    pub(super) fn only(rules: &BTreeMap<Sysno, CallRule>) -> Result<Self, String> {
        Self::compiled(rules, Action::Allow)
    }

    /// Compiles a filter that notifies of every call that an allow-list does not let through.
    pub(super) fn notifying_beyond(rules: &BTreeMap<Sysno, CallRule>) -> Result<Self, String> {
        Self::compiled(
            &rules
                .iter()
                .map(|(syscall, rule)| (*syscall, rule.notifying()))
                .collect(),
            Action::Notify,
        )
    }

    fn compiled(rules: &BTreeMap<Sysno, CallRule>, default: Action) -> Result<Self, String> {
        let mut filter = Self::default();
        filter.load(ARCHITECTURE);
        filter.jump(libc::BPF_JEQ, OURS, 1, 0);
        filter.give(Action::Kill);
        filter.load(NUMBER);
        filter.jump(libc::BPF_JGE, FIRST_OF_X32, 0, 1);
        filter.give(Action::Kill);
        let default = CallRule::always(default);
        filter.search(&ranges(rules, &default))?;
        // The kernel's own bound (linux/bpf_common.h, BPF_MAXINSNS).
        if filter.code.len() > 4096 {
            Err("the filter has more than 4096 instructions".into())
        } else {
            Ok(filter)
        }
    }

    /// The program for this process and this tool's descriptor.
    pub(super) fn program(&self, own: Pid, tool: i32) -> Vec<sock_filter> {
        let mut code = self.code.clone();
        for (places, value) in [(&self.own_process, own.as_raw()), (&self.tool, tool)] {
            for place in places {
                if let Some(instruction) = code.get_mut(*place) {
                    instruction.k = value.unsigned_abs();
                }
            }
        }
        code
    }

    /// Finds the range of the call's number, which is loaded, and gives the verdict.
    fn search(&mut self, ranges: &[(u32, &CallRule)]) -> Result<(), String> {
        let (low, high) = match ranges {
            [] => return Ok(()),
            [(_, rule)] => {
                let verdict = Self::verdict_of(rule)?;
                self.append(verdict);
                return Ok(());
            }
            _ => ranges.split_at(ranges.len() / 2),
        };
        let Some((first_of_high, _)) = high.first() else {
            return Ok(());
        };
        let mut below = Self::default();
        below.search(low)?;
        match u8::try_from(below.code.len()) {
            Ok(length) => self.jump(libc::BPF_JGE, *first_of_high, length, 0),
            // A conditional jump reaches 255 instructions, an unconditional one any.
            Err(_) => {
                let length = u32::try_from(below.code.len())
                    .map_err(|_| "the filter is too long".to_owned())?;
                self.jump(libc::BPF_JGE, *first_of_high, 0, 1);
                self.push(libc::BPF_JMP | libc::BPF_JA, 0, 0, length);
            }
        }
        self.append(below);
        self.search(high)
    }

    fn verdict_of(rule: &CallRule) -> Result<Self, String> {
        let mut verdict = Self::default();
        for alternative in &rule.allowed {
            let mut checks = Vec::new();
            for condition in alternative {
                let (low, high) = halves(condition.mask);
                let at = FIRST_ARGUMENT + 8 * condition.argument;
                let value = match condition.value {
                    ConditionValue::Number(number) => halves(number),
                    ConditionValue::OwnProcess | ConditionValue::Tool => (0, 0),
                };
                checks.push((at, low, value.0, condition.value));
                if high != 0 {
                    checks.push((at + 4, high, value.1, ConditionValue::Number(0)));
                } else if value.1 != 0 {
                    return Err("a condition compares bits that its mask drops".into());
                }
            }
            // Each check is a load, a mask unless all bits count, and a comparison; a failed one
            // goes to the next alternative.
            let length = |mask: u32| if mask == u32::MAX { 2 } else { 3 };
            let mut left: usize = checks.iter().map(|(_, mask, ..)| length(*mask)).sum();
            for (at, mask, value, kind) in checks {
                left -= length(mask);
                let after = u8::try_from(left + 1)
                    .map_err(|_| "an alternative is longer than a jump".to_owned())?;
                verdict.load(at);
                if mask != u32::MAX {
                    verdict.push(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, 0, 0, mask);
                }
                match kind {
                    ConditionValue::OwnProcess => verdict.own_process.push(verdict.code.len()),
                    ConditionValue::Tool => verdict.tool.push(verdict.code.len()),
                    ConditionValue::Number(_) => {}
                }
                verdict.jump(libc::BPF_JEQ, value, 0, after);
            }
            verdict.give(Action::Allow);
        }
        verdict.give(rule.otherwise);
        Ok(verdict)
    }

    fn append(&mut self, other: Self) {
        let at = self.code.len();
        self.own_process
            .extend(other.own_process.iter().map(|place| place + at));
        self.tool.extend(other.tool.iter().map(|place| place + at));
        self.code.extend(other.code);
    }

    fn load(&mut self, offset: u32) {
        self.push(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset);
    }

    fn jump(&mut self, comparison: u32, value: u32, then: u8, otherwise: u8) {
        self.push(
            libc::BPF_JMP | comparison | libc::BPF_K,
            then,
            otherwise,
            value,
        );
    }

    fn give(&mut self, action: Action) {
        self.push(libc::BPF_RET | libc::BPF_K, 0, 0, action.code());
    }

    fn push(&mut self, code: u32, then: u8, otherwise: u8, value: u32) {
        // Every operation of classic BPF fits into 16 bits.
        let code = u16::try_from(code).unwrap_or(u16::MAX);
        self.code.push(sock_filter {
            code,
            jt: then,
            jf: otherwise,
            k: value,
        });
    }
}

/// All numbers from 0 on, in ranges that have one verdict each: where it begins, and the verdict.
fn ranges<'a>(
    rules: &'a BTreeMap<Sysno, CallRule>,
    default: &'a CallRule,
) -> Vec<(u32, &'a CallRule)> {
    // Each number begins a range, and what follows it another one, until the next number or the
    // next default takes its place.
    let mut begun = BTreeMap::from([(0, default)]);
    for (syscall, rule) in rules {
        let number = syscall.id().unsigned_abs();
        begun.insert(number, rule);
        begun.entry(number + 1).or_insert(default);
    }
    let mut ranges: Vec<(u32, &CallRule)> = begun.into_iter().collect();
    ranges.dedup_by(|next, last| next.1 == last.1);
    ranges
}

/// The low and the high half, as a filter sees them on a little-endian machine.
fn halves(number: u64) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = number.to_le_bytes();
    (
        u32::from_le_bytes([a, b, c, d]),
        u32::from_le_bytes([e, f, g, h]),
    )
}

#[cfg(test)]
mod tests;
