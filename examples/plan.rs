//! Prints the batches that a modulemd is built in: `cargo run --example plan -- FILE`.

use std::error::Error;

use rida::ComponentName;
use rida::modulemd::{self, RpmComponent};
use rida::plan::{ComponentSource, Plan, WantedComponent};
use rida::scm::{GitRef, Repository};

fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args_os().nth(1).ok_or("usage: plan FILE")?;
    let module = modulemd::read(&std::fs::read(file)?)?.to_source()?;
    // Where sources are does not matter for their order.
    let somewhere = Repository::parse("https://src.example.org/rpms")?;
    let wanted = module.components.rpms.iter().map(|(name, rpm)| wanted(name, rpm, &somewhere));
    let plan = Plan::new(wanted.collect::<Result<_, Box<dyn Error>>>()?)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    for (batch, components) in plan.batches() {
        let names: Vec<_> = components.iter().map(|component| component.name.as_str()).collect();
        println!("batch {batch}: {}", names.join(", "));
    }
    Ok(())
}

fn wanted(name: &str, rpm: &RpmComponent, base: &Repository) -> Result<WantedComponent, Box<dyn Error>> {
    Ok(WantedComponent {
        name: ComponentName::new(name)?,
        source: ComponentSource { repository: base.join(name)?, reference: GitRef::new("main")?, cache: None },
        buildorder: rpm.buildorder.into(),
        buildafter: rpm.buildafter.iter().map(|name| ComponentName::new(name)).collect::<Result<_, _>>()?,
        buildonly: rpm.buildonly,
        arches: Vec::new(),
    })
}
