//! The binary: everything is in the library.

/// Estates are made of small pieces: a third of the time was spent in the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    leastwise::cli::main()
}
