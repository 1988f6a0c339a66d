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

fn decided(filter: &SyscallFilter, syscall: Sysno, arguments: [u64; 6]) -> u32 {
    run(
        &filter.program(Pid::from_raw(77), 9),
        syscall.id() as u32,
        OURS,
        arguments,
    )
}

fn rule(allowed: &[&str]) -> CallRule {
    let allowed = allowed
        .iter()
        .map(|text| Condition::parse_all(text).unwrap())
        .collect();
    CallRule {
        allowed,
        otherwise: Action::Refuse(Errno::ENOTTY),
    }
}

#[test]
fn conditions_look_at_all_bits_that_they_name() {
    let rules = BTreeMap::from([
        (Sysno::read, CallRule::always(Action::Allow)),
        (Sysno::ptrace, CallRule::always(Action::Kill)),
        (Sysno::mmap, rule(&["arg2 & 0x4 == 0"])),
        (
            Sysno::ioctl,
            rule(&["arg1 == 0x5401", "arg1 == 0x5413 and arg2 == 7"]),
        ),
        (Sysno::tgkill, rule(&["arg0 == self"])),
        (Sysno::execveat, rule(&["arg0 == tool and arg4 == 0x1000"])),
    ]);
    let filter = SyscallFilter::compile(&rules).unwrap();
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
    let code = SyscallFilter::only(&BTreeMap::new())
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
fn looked_up(rule: Option<&CallRule>, arguments: [u64; 6]) -> Action {
    let Some(rule) = rule else { return DEFAULT };
    let holds = |condition: &Condition| {
        let value = match condition.value {
            ConditionValue::Number(number) => number,
            ConditionValue::OwnProcess => 77,
            ConditionValue::Tool => 9,
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
fn around(rule: &CallRule) -> Vec<[u64; 6]> {
    let mut all = vec![[0; 6], [u64::MAX; 6]];
    for alternative in &rule.allowed {
        for others in [0, u64::MAX] {
            let mut fitting = [others; 6];
            for condition in alternative {
                let value = match condition.value {
                    ConditionValue::Number(number) => number,
                    ConditionValue::OwnProcess => 77,
                    ConditionValue::Tool => 9,
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
        let rules: BTreeMap<u32, &CallRule> = profile
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
        (0_u64..8).prop_map(ConditionValue::Number),
        Just(ConditionValue::Number(0x1_0000_0003)),
        Just(ConditionValue::OwnProcess)
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
    /// The alternative that a rule finds for a call is what the kernel would do with it, and notifying changes only
    /// what is refused.
    #[test]
    fn a_rule_finds_what_its_program_lets_through(
        allowed in conditions(),
        arguments in proptest::array::uniform6(prop_oneof![0_u64..8, Just(77), Just(0x1_0000_0003), any::<u64>()]),
    ) {
        let rule = CallRule { allowed, otherwise: Action::Kill };
        let found = rule.alternative(arguments, Pid::from_raw(77)).is_some();
        let rules = BTreeMap::from([(Sysno::socket, rule)]);
        let action = decided(&SyscallFilter::compile(&rules).unwrap(), Sysno::socket, arguments);
        prop_assert_eq!(action, if found { Action::Allow } else { Action::Kill }.code());
        let notifying = SyscallFilter::notifying_beyond(&rules).unwrap();
        prop_assert_eq!(decided(&notifying, Sysno::socket, arguments), if found { Action::Allow } else { Action::Notify }.code());
        prop_assert_eq!(decided(&notifying, Sysno::bind, arguments), Action::Notify.code());
    }

    /// The tree decides as a plain look-up does, for every number.
    #[test]
    fn the_search_finds_exactly_the_rules(chosen in proptest::collection::btree_set(0_usize..300, 0..80), asked in 0_i32..512) {
        let known: Vec<Sysno> = Sysno::iter().collect();
        // Neighbours have the same verdict, and others.
        let verdict = |at: usize| [Action::Allow, Action::Kill, DEFAULT][at / 4 % 3];
        let rules: BTreeMap<Sysno, CallRule> =
            chosen.iter().filter_map(|at| Some((*known.get(*at)?, CallRule::always(verdict(*at))))).collect();
        let filter = SyscallFilter::compile(&rules).unwrap();
        let expected = rules.iter().find(|(syscall, _)| syscall.id() == asked).map_or(DEFAULT, |(_, rule)| rule.otherwise);
        prop_assert_eq!(run(&filter.program(Pid::from_raw(1), 3), asked as u32, OURS, [0; 6]), expected.code());
    }
}
