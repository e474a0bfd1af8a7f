//! tmp
/// tmp
pub fn main() -> std::process::ExitCode {
    let a: Vec<String> = std::env::args().collect();
    match a[1].as_str() {
        "cat" => {
            let files: Vec<_> = a[3..].iter().map(Into::into).collect();
            let r = crate::app::catalog::update(&files, "2026-08-22", a[2].as_ref());
            println!("{r:#?}");
        }
        "arm" => {
            let f = crate::app::Folder::open(a[2].as_ref()).unwrap();
            let t = std::time::Instant::now();
            let e = crate::sources::arm::read(&f, |_| ()).unwrap();
            eprintln!("{:?}", t.elapsed());
            println!("{} assignments {} roles {} identities {} resources", e.assignments.len(), e.roles.len(), e.identities.len(), e.resources.len());
            for g in &e.gaps { if e.gaps.len() < 200 { println!("{:?} {} {} x{} {:?}", g.source, g.reason.name(), g.detail, g.count, g.location) } }
        }
        _ => { crate::app::roles::check_batch(crate::rbac::Catalog::embedded(), std::io::stdin().lock(), &mut std::io::BufWriter::new(std::io::stdout())).unwrap(); }
    }
    std::process::ExitCode::SUCCESS
}
