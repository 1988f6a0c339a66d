package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"unsafe"
)

// What a container's RuntimeDefault profile refuses to a process without capabilities, as far as a sandbox could
// want it (moby's profile, by number on amd64): namespaces, mounts, other processes' memory and descriptors,
// and the parts of the kernel that exploits begin with.
var refusedByRuntimeDefault = []uint32{
	101,                // ptrace, which newer profiles allow
	155, 161, 165, 166, // pivot_root, chroot, mount, umount2
	163, 167, 168, 169, // acct, swapon, swapoff, reboot
	170, 171, 172, 173, // sethostname, setdomainname, iopl, ioperm
	174, 175, 176, 246, 313, // modules, kexec_load
	179, 212, 227, 237, 238, // quotactl, lookup_dcookie, clock_settime, mbind, set_mempolicy
	248, 249, 250, 256, 279, // add_key, request_key, keyctl, migrate_pages, move_pages
	272, 308, 298, 304, 310, // unshare, setns, perf_event_open, open_by_handle_at, process_vm_readv
	311, 320, 321, 323, // process_vm_writev, kexec_file_load, bpf, userfaultfd
	425, 426, 427, 428, 429, // io_uring_*, open_tree, move_mount
	430, 431, 432, 433, 438, // fsopen, fsconfig, fsmount, fspick, pidfd_getfd
}

const clone3 = 435

// restricted becomes a user without capabilities under such a profile and runs a program: the place of a pod under
// the Pod Security Standard "restricted". On an old kernel it is one that knows no PR_SET_MDWE.
func restricted(user string, isOld bool, argv []string) error {
	runtime.LockOSThread()
	id, err := strconv.Atoi(user)
	if err != nil {
		return err
	}
	type instruction struct {
		code   uint16
		jt, jf uint8
		k      uint32
	}
	const load, equal, give = 0x20, 0x15, 0x06
	const allow, refuse = 0x7fff0000, 0x00050000
	program := []instruction{{load, 0, 0, 0}}
	if isOld {
		program = append(program, instruction{equal, 0, 3, syscall.SYS_PRCTL}, instruction{load, 0, 0, 16},
			instruction{equal, 0, 1, 65}, instruction{give, 0, 0, refuse | uint32(syscall.EINVAL)}, instruction{load, 0, 0, 0})
	}
	for _, number := range refusedByRuntimeDefault {
		program = append(program, instruction{equal, 0, 1, number}, instruction{give, 0, 0, refuse | uint32(syscall.EPERM)})
	}
	program = append(program, instruction{equal, 0, 1, clone3}, instruction{give, 0, 0, refuse | uint32(syscall.ENOSYS)})
	// clone with a flag of a new namespace
	program = append(program, instruction{equal, 0, 3, syscall.SYS_CLONE}, instruction{load, 0, 0, 16},
		instruction{0x45, 0, 1, 0x7e020000}, instruction{give, 0, 0, refuse | uint32(syscall.EPERM)}, instruction{give, 0, 0, allow})
	filter := struct {
		length uint16
		_      [6]byte
		first  *instruction
	}{length: uint16(len(program)), first: &program[0]}

	if err := syscall.Setgroups(nil); err != nil {
		return err
	}
	if err := syscall.Setgid(id); err != nil {
		return err
	}
	if err := syscall.Setuid(id); err != nil {
		return err
	}
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, 38, 1, 0, 0, 0, 0); errno != 0 { // PR_SET_NO_NEW_PRIVS
		return errno
	}
	if _, _, errno := syscall.RawSyscall(317, 1, 0, uintptr(unsafe.Pointer(&filter))); errno != 0 { // seccomp
		return errno
	}
	return fmt.Errorf("%s: %w", argv[0], syscall.Exec(argv[0], argv, os.Environ()))
}
