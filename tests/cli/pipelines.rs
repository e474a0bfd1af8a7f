//! The steps of the pipelines that are shipped, run as their runners run them.

use crate::support::{folder, write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const GRANT: &str = "resource \"azurerm_role_assignment\" \"a\" {
  scope                = \"/subscriptions/11111111-2222-4333-8444-000000000001\"
  role_definition_name = \"Owner\"
  principal_id         = \"11111111-2222-4333-8444-000000000002\"
}
";

fn shipped(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The script behind a line, without what indents it.
fn script(text: &str, after: &str, begins: &str) -> String {
    let rest = &text[text.find(after).unwrap()..];
    let mut lines = rest.lines().skip_while(|l| l.trim() != begins).skip(1).peekable();
    let indent = lines.peek().map(|l| l.len() - l.trim_start().len()).unwrap();
    let inside = lines.take_while(|l| l.trim().is_empty() || l.len() - l.trim_start().len() >= indent);
    inside.map(|l| l.get(indent..).unwrap_or("")).collect::<Vec<_>>().join("\n")
}

fn git(dir: &Path, arguments: &[&str]) {
    let identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"];
    let ran = Command::new("git").current_dir(dir).args(identity).args(arguments).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

/// A clone of a repository, on a branch that adds a grant; `accepted` is whether it brings its own waiver, too.
fn clone(name: &str) -> PathBuf {
    let dir = folder(name);
    let origin = dir.join("origin");
    std::fs::create_dir_all(&origin).unwrap();
    git(&origin, &["init", "-q"]);
    write(&origin.join("infra/main.tf"), "\n");
    git(&origin, &["add", "-A"]);
    git(&origin, &["commit", "-q", "-m", "base"]);
    let work = dir.join("work");
    git(&dir, &["clone", "-q", "origin", "work"]);
    write(&work.join("infra/main.tf"), GRANT);
    work
}

fn run(dir: &Path, shell: &str, script: &str, environment: &[(&str, &str)]) -> Output {
    let binary = Path::new(env!("CARGO_BIN_EXE_leastwise")).parent().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    Command::new(shell)
        .args(["-e", "-c", script])
        .current_dir(dir)
        .env_clear()
        .env("PATH", format!("{}:{path}", binary.display()))
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

#[test]
fn the_action_reports_what_it_fails_on() {
    let dir = clone("pipeline-github");
    let script = script(&shipped("action.yml"), "id: check", "run: |");
    let environment = [
        ("CHECK_PATH", "infra"),
        ("AGAINST", ""),
        ("POLICY_FROM", "origin/main"),
        ("FAIL_ON", "high"),
        ("REPORT", "report"),
        ("GITHUB_STEP_SUMMARY", "summary.md"),
        ("GITHUB_OUTPUT", "output.txt"),
    ];
    let ran = run(&dir, "bash", &script, &environment);
    assert_eq!(ran.status.code(), Some(1), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(std::fs::read_to_string(dir.join("output.txt")).unwrap(), "sarif=report/findings.sarif\n");
    assert!(std::fs::read_to_string(dir.join("summary.md")).unwrap().contains("owner-equivalent-grant"));
    assert!(dir.join("report/findings.sarif").is_file());
    // Names that a pull request chooses are no commands.
    let hostile =
        environment.map(|(k, v)| if k == "CHECK_PATH" { (k, "$(touch pwned); infra") } else { (k, v) });
    let ran = run(&dir, "bash", &script, &hostile);
    assert!(ran.status.code() == Some(2) && !dir.join("pwned").exists());
}

#[test]
fn the_template_for_azure_pipelines_reports_what_it_fails_on() {
    let dir = clone("pipeline-azure");
    let temp = dir.join("temp");
    std::fs::create_dir_all(temp.join("leastwise/bin")).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_leastwise"), temp.join("leastwise/bin/leastwise")).unwrap();
    let text = shipped(".azuredevops/leastwise.yml");
    let at = text.find("      arguments=(").unwrap();
    let begin = text[..at].rfind("- bash: |").unwrap();
    let script = script(&text[begin..], "- bash: |", "- bash: |");
    let environment = [
        ("CHECK_PATH", "infra"),
        ("AGAINST", ""),
        ("FAIL_ON", "high"),
        ("REPORT", "report"),
        ("TARGET", "refs/heads/main"),
        ("AGENT_TEMPDIRECTORY", temp.to_str().unwrap()),
    ];
    let ran = run(&dir, "bash", &script, &environment);
    let out = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert_eq!(ran.status.code(), Some(1), "{out}{}", String::from_utf8_lossy(&ran.stderr));
    assert!(
        out.contains("##vso[task.logissue") && out.contains("##vso[task.uploadsummary]report/findings.md"),
        "{out}"
    );
    for file in ["findings.sarif", "junit.xml", "findings.json"] {
        assert!(dir.join("report").join(file).is_file(), "{file}");
    }
    // A build of a branch has no target: the variable stays as it is written.
    let branch = environment
        .map(|(k, v)| if k == "TARGET" { (k, "$(System.PullRequest.TargetBranch)") } else { (k, v) });
    assert_eq!(run(&dir, "bash", &script, &branch).status.code(), Some(1));
}

#[test]
fn the_component_for_gitlab_reports_what_it_fails_on() {
    let dir = clone("pipeline-gitlab");
    let script = script(&shipped("templates/check.yml"), "  script:", "- |");
    let environment = [
        ("CHECK_PATH", "infra"),
        ("AGAINST", ""),
        ("FAIL_ON", "high"),
        ("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main"),
    ];
    // Images of GitLab need not have bash.
    let ran = run(&dir, "sh", &script, &environment);
    assert_eq!(ran.status.code(), Some(1), "{}", String::from_utf8_lossy(&ran.stderr));
    for file in ["gitlab.json", "junit.xml", "findings.sarif"] {
        assert!(dir.join("leastwise-report").join(file).is_file(), "{file}");
    }
}
