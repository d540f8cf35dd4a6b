//! Checks that the programs are built with the platform's exploit mitigations (Linux).

use std::path::Path;
use std::process::Command;

use ulkeys_tests::{app_binary, cli_binary};

fn run_readelf(program: &Path, arguments: &[&str]) -> String {
    let output = Command::new("readelf").args(arguments).arg(program).output().expect("readelf starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("the output is UTF-8")
}

#[test]
fn binary_has_pie_full_relro_and_non_executable_stack() {
    for program in [app_binary(), cli_binary()] {
        let elf = run_readelf(&program, &["--wide", "--file-header", "--program-headers", "--dynamic"]);
        assert!(elf.contains("DYN (Position-Independent Executable file)"), "PIE");
        assert!(elf.contains("GNU_RELRO") && elf.contains("BIND_NOW"), "the program lacks full RELRO");
        let stack = elf.lines().find(|line| line.contains("GNU_STACK")).expect("the program has a stack header");
        assert!(stack.contains(" RW ") && !stack.contains('E'), "{stack}");
        assert!(!elf.contains("RPATH") && !elf.contains("RUNPATH"), "the program has its own search path");
    }
}

#[test]
fn c_code_has_stack_protector() {
    assert!(run_readelf(&app_binary(), &["--wide", "--dyn-syms"]).contains("__stack_chk_fail"));
}

/// The command line must start on a computer that has neither GTK nor WebKit.
#[test]
fn command_line_links_only_basic_libraries() {
    let elf = run_readelf(&cli_binary(), &["--wide", "--dynamic"]);
    let needed = elf.lines().filter(|line| line.contains("(NEEDED)"));
    let names = needed.filter_map(|line| line.split(['[', ']']).nth(1)).collect::<Vec<_>>();
    let allowed = ["libc.so.6", "libm.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2"];
    assert!(names.contains(&"libc.so.6") && names.iter().all(|name| allowed.contains(name)), "{names:?}");
}
