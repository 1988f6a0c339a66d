//! Every attempt, by its subject: tables of calls, and what a child must find.
//!
//! Comes in: a profile. Goes out: its probes, in the order of the report. May not run one; that is
//! the battery's.
//!
//! Held by `tests/escape` (`doctor_finds_every_probe_stopped_and_every_layer_at_work`).

mod files;
mod kernel;
mod memory;
mod network;
mod processes;

use nix::errno::Errno;
use syscalls::Sysno;

use super::probe::{EACCES, EPERM, Found, Probe, call, probe};
use crate::sandbox::profile::{CallOutcome, Profile, ProfileName};

/// Every probe of a profile.
pub(super) fn all(name: ProfileName, profile: &Profile) -> Vec<Probe> {
    let mut probes = files::files(&profile.readable);
    probes.extend(files::own_files());
    probes.extend(files::changes());
    probes.extend(processes::processes());
    probes.extend(network::network(name, profile));
    probes.extend(memory::memory());
    probes.extend(memory::limits());
    probes.extend(kernel::kernel());
    probes.extend(kernel::layers());
    probes.extend(data(profile));
    if !profile.allowed.contains(&Sysno::openat) {
        // What opens nothing is stopped before it is asked what.
        for probe in probes
            .iter_mut()
            .filter(|probe| matches!(probe.group, "files" | "own files"))
        {
            probe.expected = vec![EPERM];
        }
    }
    if !profile.allowed.contains(&Sysno::eventfd2) {
        // Nor has it another call that makes descriptors.
        for probe in probes
            .iter_mut()
            .filter(|probe| probe.name == "open more descriptors than the limit")
        {
            probe.expected = vec![EPERM];
        }
    }
    if profile.helper {
        probes.extend(files::helper());
        // What the filter leaves to Landlock, or to the kernel: another program, a folder
        // elsewhere, a process to wait for.
        for probe in &mut probes {
            match probe.name.as_str() {
                "run a shell" | "mkdir where everybody may" => probe.expected = vec![EACCES],
                "run the own program by path" => probe.expected = vec![EACCES, Found::Ended(2)], // it may run again, confined; not when it is linked dynamically
                "wait for a child" => probe.expected = vec![Found::Refused(Errno::ECHILD)],
                _ => {}
            }
        }
    }
    probes
}

/// Every entry of the profile itself: allowed calls reach the kernel, others do not.
fn data(profile: &Profile) -> Vec<Probe> {
    const GROUP: &str = "profile";
    let mut probes = Vec::new();
    for example in &profile.examples {
        let syscall = example.syscall;
        let mut arguments = example.arguments.clone();
        arguments.resize(6, 0);
        let name = format!(
            "{syscall}({})",
            example
                .arguments
                .iter()
                .map(|argument| format!("{argument:#x}"))
                .collect::<Vec<_>>()
                .join(", ")
        );
        let expected = match example.expected {
            CallOutcome::Kernel | CallOutcome::Pretended => Found::Allowed,
            CallOutcome::Refused(errno) => Found::Refused(errno),
        };
        let asks_kernel = example.expected == CallOutcome::Kernel;
        probes.push(probe(GROUP, &name, expected, move |_| {
            match call(syscall, &arguments) {
                Err(errno) if asks_kernel && errno != Errno::EPERM => Ok(()), // the kernel's own answer
                other => other.map(drop),
            }
        }));
    }
    for &syscall in &profile.killed {
        probes.push(probe(
            GROUP,
            &format!("{syscall}"),
            Found::Killed,
            move |_| call(syscall, &[-1, 0, 0, -1]).map(drop),
        ));
    }
    // With arguments that mean nothing, so that whatever the kernel itself answers is a proof that
    // it was asked.
    for &syscall in &profile.allowed {
        let ends = matches!(
            syscall,
            Sysno::exit | Sysno::exit_group | Sysno::rt_sigreturn | Sysno::restart_syscall
        );
        let asks = matches!(syscall, Sysno::connect | Sysno::listen);
        if !ends && !asks {
            probes.push(probe(
                GROUP,
                &format!("{syscall}"),
                Found::Allowed,
                move |_| match call(syscall, &[-1, -1, -1, -1, -1, -1]) {
                    Err(Errno::EPERM) => Err(Errno::EPERM),
                    _ => Ok(()),
                },
            ));
        }
    }
    probes
}
