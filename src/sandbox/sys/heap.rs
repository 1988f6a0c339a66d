//! What the C library does with memory that is freed, and what the kernel gets back.

/// Has every large buffer returned to the kernel when it is freed. By default the C library keeps
/// buffers of a size once one of that size was freed (mallopt(3), the dynamic threshold): what many
/// slow clients filled for a minute would be held for ever.
pub(in crate::sandbox) fn return_large_buffers() {
    /// The threshold that the library begins with.
    const LARGE: libc::c_int = 128 * 1024;
    // SAFETY: mallopt(3) takes two numbers. It is set while there is one thread, as the manual
    // wants it; where it is refused, memory is returned as before.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE)
    };
}

/// Gives back to the kernel what only a start needs: it reads and parses more than a server keeps,
/// and touches most of the program, which is in its file (madvise(2)).
pub fn give_back_memory() {
    unsafe extern "C" {
        // By the linker (ld(1)): where the program begins, and where its text ends.
        static __executable_start: u8;
        static etext: u8;
    }
    let start = &raw const __executable_start;
    let length = (&raw const etext).addr() - start.addr();
    // SAFETY: nothing writes to what lies between them, and what is relocated lies behind: when a
    // page is touched again, it comes from the file as it was.
    unsafe { libc::madvise(start.cast_mut().cast(), length, libc::MADV_DONTNEED) };
    give_back_freed_memory();
}

/// Gives back to the kernel what was freed and lies between what is used (malloc_trim(3)): some
/// milliseconds for hundreds of megabytes.
pub fn give_back_freed_memory() {
    // SAFETY: malloc_trim(3) has no conditions.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0)
    };
}
