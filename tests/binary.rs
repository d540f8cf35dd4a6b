//! Checks that the program is built with the platform's exploit mitigations (Linux).

use std::process::Command;

fn run_readelf(arguments: &[&str]) -> String {
    let output =
        Command::new("readelf").args(arguments).arg(ulkeys_tests::app_binary()).output().expect("readelf starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("the output is UTF-8")
}

#[test]
fn binary_has_pie_full_relro_and_non_executable_stack() {
    let elf = run_readelf(&["--wide", "--file-header", "--program-headers", "--dynamic"]);
    assert!(elf.contains("DYN (Position-Independent Executable file)"), "PIE");
    assert!(elf.contains("GNU_RELRO") && elf.contains("BIND_NOW"), "the program lacks full RELRO");
    let stack = elf.lines().find(|line| line.contains("GNU_STACK")).expect("the program has a stack header");
    assert!(stack.contains(" RW ") && !stack.contains('E'), "{stack}");
    assert!(!elf.contains("RPATH") && !elf.contains("RUNPATH"), "the program has its own search path for libraries");
}

#[test]
fn c_code_has_stack_protector() {
    assert!(run_readelf(&["--wide", "--dyn-syms"]).contains("__stack_chk_fail"));
}
