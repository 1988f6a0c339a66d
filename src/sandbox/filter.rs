//! An allow-list of system calls as a classic BPF program (seccomp(2)).
//!
//! A binary search over ranges of the call's number, neighbours with the same verdict being one:
//! the kernel runs a new filter once for each number there is, so a linear list costs a child a
//! quarter of a millisecond (sandbox notes, 2.3). Other architectures and x32, whose numbers mean
//! other calls, are killed before anything is looked up.

use std::{collections::BTreeMap, fmt};

use libc::sock_filter;
use nix::{errno::Errno, unistd::Pid};
use syscalls::Sysno;

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// The kernel runs it.
    Allow,
    /// It ends with this error.
    Refuse(Errno),
    /// The process is killed (SIGSYS).
    Kill,
    /// The supervisor answers it.
    Ask,
}

/// What is allowed of one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    /// Alternatives, each of conditions that must all hold.
    pub(super) allowed: Vec<Vec<Condition>>,
    /// For every other use.
    pub(super) otherwise: Action,
}

/// `argN [& MASK] == VALUE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    argument: u32,
    mask: u64,
    value: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    Number(u64),
    /// The id of the process itself.
    OwnProcess,
    /// The descriptor of the tool.
    Tool,
}

/// A program whose process and descriptor are still to be filled in.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    code: Vec<sock_filter>,
    own_process: Vec<usize>,
    tool: Vec<usize>,
}

impl Rule {
    /// Whatever the arguments.
    pub(super) fn always(action: Action) -> Self {
        Self {
            allowed: Vec::new(),
            otherwise: action,
        }
    }

    /// The first alternative that lets this call of the process `own` through, as the compiled
    /// filter decides it.
    pub(super) fn alternative(&self, arguments: [u64; 6], own: Pid) -> Option<usize> {
        self.allowed.iter().position(|conditions| {
            conditions
                .iter()
                .all(|condition| condition.holds(arguments, own))
        })
    }

    /// The arguments that its conditions look at.
    pub(super) fn examined(&self) -> impl Iterator<Item = u32> {
        self.allowed
            .iter()
            .flatten()
            .map(|condition| condition.argument)
    }

    /// The same calls let through, and a question about all others.
    fn asking(&self) -> Self {
        let otherwise = if self.otherwise == Action::Allow {
            Action::Allow
        } else {
            Action::Ask
        };
        Self {
            allowed: self.allowed.clone(),
            otherwise,
        }
    }
}

impl Condition {
    /// Reads conditions joined by `and`.
    pub(super) fn parse_all(text: &str) -> Result<Vec<Self>, String> {
        text.split(" and ")
            .map(|condition| {
                Self::parse(condition).ok_or_else(|| format!("`{condition}` is no condition"))
            })
            .collect()
    }

    fn parse(text: &str) -> Option<Self> {
        let (left, value) = text.split_once(" == ")?;
        let (argument, mask) = left
            .split_once(" & ")
            .map_or((left, Some(u64::MAX)), |(argument, mask)| {
                (argument, integer(mask))
            });
        let argument = argument
            .strip_prefix("arg")?
            .parse()
            .ok()
            .filter(|argument| *argument < 6)?;
        let value = match value {
            "self" => Value::OwnProcess,
            "tool" => Value::Tool,
            number => Value::Number(integer(number)?),
        };
        Some(Self {
            argument,
            mask: mask?,
            value,
        })
    }

    fn holds(&self, arguments: [u64; 6], own: Pid) -> bool {
        let value = match self.value {
            Value::Number(number) => Some(number),
            Value::OwnProcess => u64::try_from(own.as_raw()).ok(),
            Value::Tool => None, // a number that only a child knows
        };
        let argument = usize::try_from(self.argument)
            .ok()
            .and_then(|at| arguments.get(at));
        argument.is_some_and(|argument| Some(argument & self.mask) == value)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "arg{}", self.argument)?;
        if self.mask != u64::MAX {
            write!(f, " & {:#x}", self.mask)?;
        }
        match self.value {
            Value::Number(number) => write!(f, " == {number:#x}"),
            Value::OwnProcess => f.write_str(" == self"),
            Value::Tool => f.write_str(" == tool"),
        }
    }
}

fn integer(text: &str) -> Option<u64> {
    text.strip_prefix("0x").map_or_else(
        || text.parse().ok(),
        |hex| u64::from_str_radix(hex, 16).ok(),
    )
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

impl Action {
    fn code(self) -> u32 {
        match self {
            Self::Allow => libc::SECCOMP_RET_ALLOW,
            Self::Refuse(errno) => {
                libc::SECCOMP_RET_ERRNO | (errno as u32 & libc::SECCOMP_RET_DATA)
            }
            Self::Kill => libc::SECCOMP_RET_KILL_PROCESS,
            Self::Ask => libc::SECCOMP_RET_USER_NOTIF,
        }
    }
}

/// What a call that no rule names ends with.
const DEFAULT: Action = Action::Refuse(Errno::EPERM);

impl Filter {
    /// Compiles an allow-list.
    pub(super) fn compile(rules: &BTreeMap<Sysno, Rule>) -> Result<Self, String> {
        Self::compiled(rules, DEFAULT)
    }

    /// Compiles a filter that changes these calls only.
    pub(super) fn only(rules: &BTreeMap<Sysno, Rule>) -> Result<Self, String> {
        Self::compiled(rules, Action::Allow)
    }

    /// Compiles a filter that asks about every call that an allow-list does not let through.
    pub(super) fn asking_beyond(rules: &BTreeMap<Sysno, Rule>) -> Result<Self, String> {
        Self::compiled(
            &rules
                .iter()
                .map(|(syscall, rule)| (*syscall, rule.asking()))
                .collect(),
            Action::Ask,
        )
    }

    fn compiled(rules: &BTreeMap<Sysno, Rule>, default: Action) -> Result<Self, String> {
        let mut filter = Self::default();
        filter.load(ARCHITECTURE);
        filter.jump(libc::BPF_JEQ, OURS, 1, 0);
        filter.give(Action::Kill);
        filter.load(NUMBER);
        filter.jump(libc::BPF_JGE, FIRST_OF_X32, 0, 1);
        filter.give(Action::Kill);
        let default = Rule::always(default);
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

    /// With the call's number loaded: finds its range and gives the verdict.
    fn search(&mut self, ranges: &[(u32, &Rule)]) -> Result<(), String> {
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

    fn verdict_of(rule: &Rule) -> Result<Self, String> {
        let mut verdict = Self::default();
        for alternative in &rule.allowed {
            let mut checks = Vec::new();
            for condition in alternative {
                let (low, high) = halves(condition.mask);
                let at = FIRST_ARGUMENT + 8 * condition.argument;
                let value = match condition.value {
                    Value::Number(number) => halves(number),
                    Value::OwnProcess | Value::Tool => (0, 0),
                };
                checks.push((at, low, value.0, condition.value));
                if high != 0 {
                    checks.push((at + 4, high, value.1, Value::Number(0)));
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
                    Value::OwnProcess => verdict.own_process.push(verdict.code.len()),
                    Value::Tool => verdict.tool.push(verdict.code.len()),
                    Value::Number(_) => {}
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
fn ranges<'a>(rules: &'a BTreeMap<Sysno, Rule>, default: &'a Rule) -> Vec<(u32, &'a Rule)> {
    // Each number begins a range, and what follows it another one, until the next number or the
    // next default takes its place.
    let mut begun = BTreeMap::from([(0, default)]);
    for (syscall, rule) in rules {
        let number = syscall.id().unsigned_abs();
        begun.insert(number, rule);
        begun.entry(number + 1).or_insert(default);
    }
    let mut ranges: Vec<(u32, &Rule)> = begun.into_iter().collect();
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
mod tests {
    use proptest::prelude::*;

    use super::{
        super::profile::{ProfileName, Profiles},
        *,
    };

    /// What the kernel would decide: classic BPF, the instructions that are used here.
    fn run(code: &[sock_filter], number: u32, architecture: u32, arguments: [u64; 6]) -> u32 {
        let mut data = [0_u8; 64];
        data[..4].copy_from_slice(&number.to_le_bytes());
        data[4..8].copy_from_slice(&architecture.to_le_bytes());
        for (at, argument) in arguments.iter().enumerate() {
            data[16 + 8 * at..24 + 8 * at].copy_from_slice(&argument.to_le_bytes());
        }
        let (mut at, mut accumulator) = (0, 0_u32);
        loop {
            let sock_filter { code, jt, jf, k } = code[at];
            at += 1;
            match u32::from(code) {
                0x20 => {
                    accumulator =
                        u32::from_le_bytes(data[k as usize..k as usize + 4].try_into().unwrap())
                }
                0x54 => accumulator &= k,
                0x15 => at += usize::from(if accumulator == k { jt } else { jf }),
                0x35 => at += usize::from(if accumulator >= k { jt } else { jf }),
                0x05 => at += k as usize,
                0x06 => return k,
                other => panic!("an instruction that is never used: {other:#x}"),
            }
        }
    }

    fn decided(filter: &Filter, syscall: Sysno, arguments: [u64; 6]) -> u32 {
        run(
            &filter.program(Pid::from_raw(77), 9),
            syscall.id() as u32,
            OURS,
            arguments,
        )
    }

    fn rule(allowed: &[&str]) -> Rule {
        let allowed = allowed
            .iter()
            .map(|text| Condition::parse_all(text).unwrap())
            .collect();
        Rule {
            allowed,
            otherwise: Action::Refuse(Errno::ENOTTY),
        }
    }

    #[test]
    fn conditions_look_at_all_bits_that_they_name() {
        let rules = BTreeMap::from([
            (Sysno::read, Rule::always(Action::Allow)),
            (Sysno::ptrace, Rule::always(Action::Kill)),
            (Sysno::mmap, rule(&["arg2 & 0x4 == 0"])),
            (
                Sysno::ioctl,
                rule(&["arg1 == 0x5401", "arg1 == 0x5413 and arg2 == 7"]),
            ),
            (Sysno::tgkill, rule(&["arg0 == self"])),
            (Sysno::execveat, rule(&["arg0 == tool and arg4 == 0x1000"])),
        ]);
        let filter = Filter::compile(&rules).unwrap();
        let (allow, refuse) = (Action::Allow.code(), Action::Refuse(Errno::ENOTTY).code());
        for (syscall, arguments, expected) in [
            (Sysno::read, [9; 6], allow),
            (Sysno::ptrace, [0; 6], Action::Kill.code()),
            (Sysno::write, [0; 6], DEFAULT.code()),
            (Sysno::mmap, [0, 0, 3, 0, 0, 0], allow),
            (Sysno::mmap, [0, 0, 7, 0, 0, 0], refuse),
            (Sysno::mmap, [0, 0, 0x1_0000_0000, 0, 0, 0], allow),
            (Sysno::ioctl, [0, 0x5401, 9, 0, 0, 0], allow),
            (Sysno::ioctl, [0, 0x1_0000_5401, 0, 0, 0, 0], refuse),
            (Sysno::ioctl, [0, 0x5413, 7, 0, 0, 0], allow),
            (Sysno::ioctl, [0, 0x5413, 8, 0, 0, 0], refuse),
            (Sysno::tgkill, [77, 0, 0, 0, 0, 0], allow),
            (Sysno::tgkill, [78, 0, 0, 0, 0, 0], refuse),
            (Sysno::execveat, [9, 0, 0, 0, 0x1000, 0], allow),
            (Sysno::execveat, [9, 0, 0, 0, 0, 0], refuse),
            (Sysno::execveat, [8, 0, 0, 0, 0x1000, 0], refuse),
        ] {
            assert_eq!(
                decided(&filter, syscall, arguments),
                expected,
                "{syscall} {arguments:x?}"
            );
        }
    }

    #[test]
    fn a_condition_is_printed_as_it_is_read() {
        for text in [
            "arg2 & 0x4 == 0x0",
            "arg1 == 0x5413",
            "arg0 == self",
            "arg0 == tool",
        ] {
            let [condition] = Condition::parse_all(text).unwrap()[..] else {
                panic!("{text}")
            };
            assert_eq!(condition.to_string(), text);
        }
    }

    #[test]
    fn other_architectures_and_x32_are_killed() {
        let code = Filter::only(&BTreeMap::new())
            .unwrap()
            .program(Pid::from_raw(1), 3);
        assert_eq!(run(&code, 0, OURS, [0; 6]), Action::Allow.code());
        for (number, architecture) in [
            (0, 3 | 0x4000_0000),
            (FIRST_OF_X32, OURS),
            (FIRST_OF_X32 | 39, OURS),
            (u32::MAX, OURS),
        ] {
            assert_eq!(
                run(&code, number, architecture, [0; 6]),
                Action::Kill.code()
            );
        }
    }

    /// What a rule says to a call of process 77 whose tool is descriptor 9, without any program.
    fn looked_up(rule: Option<&Rule>, arguments: [u64; 6]) -> Action {
        let Some(rule) = rule else { return DEFAULT };
        let holds = |condition: &Condition| {
            let value = match condition.value {
                Value::Number(number) => number,
                Value::OwnProcess => 77,
                Value::Tool => 9,
            };
            arguments[condition.argument as usize] & condition.mask == value
        };
        if rule
            .allowed
            .iter()
            .any(|alternative| alternative.iter().all(holds))
        {
            Action::Allow
        } else {
            rule.otherwise
        }
    }

    /// Arguments that fit each alternative of a rule, with every bit in and around them.
    fn around(rule: &Rule) -> Vec<[u64; 6]> {
        let mut all = vec![[0; 6], [u64::MAX; 6]];
        for alternative in &rule.allowed {
            for others in [0, u64::MAX] {
                let mut fitting = [others; 6];
                for condition in alternative {
                    let value = match condition.value {
                        Value::Number(number) => number,
                        Value::OwnProcess => 77,
                        Value::Tool => 9,
                    };
                    let argument = &mut fitting[condition.argument as usize];
                    *argument = *argument & !condition.mask | value;
                }
                all.push(fitting);
                for bit in 0..64 {
                    all.extend((0..6).map(|at| {
                        let mut other = fitting;
                        other[at] ^= 1 << bit;
                        other
                    }));
                }
            }
        }
        all
    }

    #[test]
    fn every_profile_says_of_every_number_what_its_rules_say() {
        let profiles = Profiles::load().unwrap();
        for name in ProfileName::ALL {
            let profile = profiles.get(name);
            let code = profile.filter.program(Pid::from_raw(77), 9);
            let rules: BTreeMap<u32, &Rule> = profile
                .rules
                .iter()
                .map(|(syscall, rule)| (syscall.id() as u32, rule))
                .collect();
            assert!(rules.len() > 50, "{name:?}");
            for number in (0..4096).chain([FIRST_OF_X32 / 2, FIRST_OF_X32 - 1]) {
                let rule = rules.get(&number).copied();
                for arguments in rule.map_or(vec![[0; 6]], around) {
                    let expected = looked_up(rule, arguments).code();
                    assert_eq!(
                        run(&code, number, OURS, arguments),
                        expected,
                        "{name:?}: {number} {arguments:x?}"
                    );
                }
            }
            for number in [
                FIRST_OF_X32,
                FIRST_OF_X32 + 1,
                FIRST_OF_X32 + 59,
                0x7fff_ffff,
                0x8000_0000,
                u32::MAX,
            ] {
                assert_eq!(
                    run(&code, number, OURS, [0; 6]),
                    Action::Kill.code(),
                    "{name:?}: {number}"
                );
            }
        }
    }

    #[test]
    fn what_is_no_condition_is_refused() {
        for text in [
            "",
            "arg6 == 1",
            "arg0 = 1",
            "arg0 == x",
            "arg == 1",
            "arg0 & 1",
            "arg0 == 1 and",
            "arg0 & y == 1",
        ] {
            assert!(Condition::parse_all(text).is_err(), "{text}");
        }
    }

    fn conditions() -> impl Strategy<Value = Vec<Vec<Condition>>> {
        // Few values and bits, so that they meet.
        let value = prop_oneof![
            (0_u64..8).prop_map(Value::Number),
            Just(Value::Number(0x1_0000_0003)),
            Just(Value::OwnProcess)
        ];
        let mask = prop_oneof![Just(u64::MAX), Just(0xffff_ffff_0000_0003)];
        let condition = (0_u32..3, mask, value).prop_map(|(argument, mask, value)| Condition {
            argument,
            mask,
            value,
        });
        proptest::collection::vec(proptest::collection::vec(condition, 0..3), 0..3)
    }

    proptest! {
        /// What is told about a call is what the kernel would do with it, and asking changes only
        /// what is refused.
        #[test]
        fn a_rule_finds_what_its_program_lets_through(
            allowed in conditions(),
            arguments in proptest::array::uniform6(prop_oneof![0_u64..8, Just(77), Just(0x1_0000_0003), any::<u64>()]),
        ) {
            let rule = Rule { allowed, otherwise: Action::Kill };
            let found = rule.alternative(arguments, Pid::from_raw(77)).is_some();
            let rules = BTreeMap::from([(Sysno::socket, rule)]);
            let action = decided(&Filter::compile(&rules).unwrap(), Sysno::socket, arguments);
            prop_assert_eq!(action, if found { Action::Allow } else { Action::Kill }.code());
            let asking = Filter::asking_beyond(&rules).unwrap();
            prop_assert_eq!(decided(&asking, Sysno::socket, arguments), if found { Action::Allow } else { Action::Ask }.code());
            prop_assert_eq!(decided(&asking, Sysno::bind, arguments), Action::Ask.code());
        }

        /// The tree decides as a plain look-up does, for every number.
        #[test]
        fn the_search_finds_exactly_the_rules(chosen in proptest::collection::btree_set(0_usize..300, 0..80), asked in 0_i32..512) {
            let known: Vec<Sysno> = Sysno::iter().collect();
            // Neighbours have the same verdict, and others.
            let verdict = |at: usize| [Action::Allow, Action::Kill, DEFAULT][at / 4 % 3];
            let rules: BTreeMap<Sysno, Rule> =
                chosen.iter().filter_map(|at| Some((*known.get(*at)?, Rule::always(verdict(*at))))).collect();
            let filter = Filter::compile(&rules).unwrap();
            let expected = rules.iter().find(|(syscall, _)| syscall.id() == asked).map_or(DEFAULT, |(_, rule)| rule.otherwise);
            prop_assert_eq!(run(&filter.program(Pid::from_raw(1), 3), asked as u32, OURS, [0; 6]), expected.code());
        }
    }
}
