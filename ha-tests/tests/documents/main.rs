//! The pages of `docs/` hold: the test runs every block of commands on them, unchanged, against a group of real nodes.
//!
//! Needs the programs of the same build: `cargo build --workspace --bins` (`make test` does it).

#![allow(clippy::unwrap_used)] // a helper that cannot go on fails its test
#![allow(clippy::print_stdout)] // a skipped test prints why

mod alerts;
mod page;
mod prometheus;
mod site;

use std::{fs, path::Path};

use ocs_ha_tests::{Cluster, Process, Ran, disk::SmallDisk, ocsctl, until};

use crate::site::{Site, missing, outside, repository};

/// Pages whose commands are run; each has a test below.
const PAGES: [&str; 12] = [
    "backup.md",
    "campaigns.md",
    "certificates.md",
    "coming-from/genesys-ocs.md",
    "coming-from/postgresql-table.md",
    "coming-from/vicidial.md",
    "disk-full.md",
    "http/examples.md",
    "install.md",
    "monitoring.md",
    "two-of-three-lost.md",
    "upgrade.md",
];

#[test]
fn no_page_shows_a_command_that_is_not_run() {
    const COMMANDS: [&str; 7] = ["ocsctl ", "ocsd ", "sudo ", "systemctl ", "curl ", "python3 ", "mv "];
    const LANGUAGES: [&str; 6] = ["sh", "python", "json", "text", "toml", "sql"];
    for name in PAGES {
        let text = page::read(name);
        for fence in page::fences(&text) {
            let language = fence.info.split(' ').next().unwrap_or_default();
            assert!(LANGUAGES.contains(&language), "{name}: {fence:?}");
        }
        let indented = text.lines().filter(|line| line.starts_with("    "));
        let commands = indented.filter(|line| COMMANDS.iter().any(|command| line.trim_start().starts_with(command)));
        let stray: Vec<&str> =
            commands.filter(|line| !page::blocks(&text).iter().any(|block| in_block(block, line))).collect();
        assert!(stray.is_empty(), "{name}: {stray:?} stand in no block that is run");
    }
}

/// Whether a line, its indentation aside, is a line of a block.
fn in_block(block: &page::Block, line: &str) -> bool {
    block.script.lines().any(|own| own.trim() == line.trim())
}

#[test]
fn the_help_shows_wait_which_an_upgrade_needs() {
    let help = Ran::of(&mut ocsctl("127.0.0.1:1", "", &["--help"])).fine();
    assert!(help.lines().any(|line| line.trim_start().starts_with("wait ")), "{help}");
    let help = Ran::of(&mut ocsctl("127.0.0.1:1", "", &["wait", "--help"])).fine();
    assert!(help.contains("--for") && help.contains("ready"), "{help}");
}

#[test]
fn the_examples_of_the_http_interface_are_answered_as_the_page_says() {
    if let Some(why) = missing(&["curl", "python3"]) {
        println!("{why}");
        return;
    }
    let mut site = Site::start();
    site.cluster.create_list("demo");
    site.follow("http/examples.md", |_, _| {});
    let phones = |site: &Site| -> Vec<String> {
        site.cluster.export("demo", "a").into_iter().map(|row| row["contact_info"].clone()).collect()
    };
    site.cluster.assert_equal();
    assert_eq!(phones(&site), ["+12125550100", "+12125550103", "+12125550110", "+12125550111"]);
}

#[test]
fn the_python_client_sends_again_until_there_is_a_quorum_and_adds_one_record() {
    if let Some(why) = missing(&["python3"]) {
        println!("{why}");
        return;
    }
    let mut cluster = Cluster::start();
    cluster.create_list("demo");
    let lost = [cluster.other(cluster.primary()), "w"];
    lost.iter().for_each(|node| cluster.kill(node));
    let client = repository().join("docs/http/ocs_client.py");
    let log = cluster.path("client.log");
    let mut command = outside(&cluster, "python3", &cluster.path("tools"));
    command.arg(client).args(["AddRecord", "lists/demo", r#"{"GSW_PHONE": "+12125550120"}"#]);
    let mut client = Process::start("ocs_client.py", &mut command, &log);
    let said = || fs::read_to_string(&log).unwrap_or_default();
    until("the client hears that its request was not applied, or that this is not known", || {
        said().contains("503 UNAVAILABLE from") || said().contains("504 OUTCOME_UNKNOWN from")
    });
    lost.iter().for_each(|node| cluster.start_node(node, &[]));
    assert_eq!(client.wait(), 0, "{}", said());
    assert!(said().contains("AddRecordAcknowledge"), "{}", said());
    cluster.assert_equal();
    let rows = cluster.export("demo", "a");
    assert!(rows.len() == 1 && rows[0]["contact_info"] == "+12125550120", "{rows:?}");
}

#[test]
fn three_nodes_are_installed_as_the_page_says() {
    if let Some(why) = missing(&["curl"]) {
        println!("{why}");
        return;
    }
    let mut site = Site::prepare(&[], |_, _| String::new());
    site.follow("install.md", |_, _| {});
    site.cluster.assert_equal();
}

#[test]
fn a_group_is_upgraded_as_the_page_says() {
    let mut site = Site::start();
    site.follow("upgrade.md", |site, section| {
        if section == "The data nodes" {
            site.cluster.move_primary("a");
        }
    });
    assert_eq!(site.cluster.primary(), "b");
    site.cluster.assert_equal();
}

#[test]
fn a_group_is_backed_up_and_restored_as_the_page_says() {
    let mut site = Site::start();
    site.cluster.create_list("demo");
    let handle = site.cluster.http("a").post("/lists/demo?req=AddRecord", r#"{"GSW_PHONE":"+12125550130"}"#).handle();
    site.follow("backup.md", |_, _| {});
    let shown = site.cluster.http("b").get(&format!("/records/{handle}"));
    assert_eq!(shown.attribute("GSW_PHONE"), "+12125550130", "{shown:?}");
    site.cluster.assert_equal();
}

#[test]
fn certificates_are_made_renewed_and_replaced_as_the_page_says_while_the_group_serves() {
    if let Some(why) = missing(&["curl", "openssl"]) {
        println!("{why}");
        return;
    }
    let tls = |dir: &Path, node: &str| {
        let file = |name: &str| dir.join(name).display().to_string();
        let (ca, certificate, key) = (file("ca.pem"), file(&format!("{node}.pem")), file(&format!("{node}.key")));
        format!("\n[admin.tls]\nca = \"{ca}\"\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n")
    };
    let mut site = Site::prepare(&[], tls);
    site.follow("certificates.md", |site, section| {
        if section == "Looking at them" {
            site.form();
        }
    });
    site.cluster.wait_whole();
}

#[test]
fn a_full_disk_is_found_and_given_room_as_the_page_says() {
    const DISK_BYTES: u64 = 256 << 20;
    let mut site = Site::prepare(&["node.disk_reserve_bytes=16777216"], |_, _| String::new());
    let disk = match SmallDisk::mount(&site.cluster.settings().data("b"), DISK_BYTES) {
        Ok(disk) => disk,
        Err(why) => {
            println!("skipped: {why}");
            return;
        }
    };
    site.form();
    site.cluster.create_list("demo");
    site.cluster.move_primary("a");
    site.follow("disk-full.md", |site, section| match section {
        "What is there" => {
            disk.fill(0);
            until("b says that its disk is full", || site.cluster.log("b").contains("less than the reserve is left"));
            let added = site.cluster.http("a").post("/lists/demo?req=AddRecord", r#"{"GSW_PHONE":"+12125550140"}"#);
            assert_eq!(added.status, 200, "the others are a quorum: {added:?}");
        }
        "Afterwards" => disk.empty(),
        _ => {}
    });
    site.cluster.assert_equal();
}

#[test]
fn with_two_of_three_lost_the_page_leads_to_a_whole_group_either_way() {
    let mut site = Site::start();
    site.cluster.create_list("demo");
    let add = |site: &Site, phone: &str| {
        let body = format!(r#"{{"GSW_PHONE":"{phone}"}}"#);
        assert_eq!(site.cluster.http("a").post("/lists/demo?req=AddRecord", &body).status, 200);
        site.cluster.assert_equal();
    };
    site.machine = "b";
    site.follow("two-of-three-lost.md", |site, section| match section {
        "What is there" => {
            site.cluster.move_primary("a");
            add(site, "+12125550150");
            ["a", "w"].into_iter().for_each(|node| site.lose(node));
            until("b knows of no primary", || site.cluster.ctl(&["status"]).code == 4);
        }
        "Neither comes back" => {
            site.cluster.wait_whole();
            add(site, "+12125550151");
            ["a", "w"].into_iter().for_each(|node| site.lose(node));
            let words = ["force-primary", "b", "--accept-loss", "--dry-run"];
            until("b knows that it is cut off", || site.cluster.ctl(&words).code == 0);
        }
        _ => {}
    });
    site.cluster.assert_equal();
    let phones: Vec<String> =
        site.cluster.export("demo", "a").into_iter().map(|row| row["contact_info"].clone()).collect();
    assert_eq!(phones, ["+12125550150", "+12125550151"]);
}

#[test]
fn lists_and_campaigns_are_declared_as_the_page_says() {
    let mut site = Site::start();
    site.follow("campaigns.md", |_, _| {});
    site.cluster.assert_equal();
}

/// Follows a page about another system, against a group that serves REST.
fn move_over(page: &str) {
    if let Some(why) = missing(&["curl"]) {
        println!("{why}");
        return;
    }
    let mut site = Site::prepare(&["http_proxy.api=true"], |_, _| String::new());
    site.form();
    site.follow(page, |_, _| {});
    site.cluster.assert_equal();
}

#[test]
fn lists_of_genesys_move_over_and_back_as_the_page_says() {
    move_over("coming-from/genesys-ocs.md");
}

#[test]
fn leads_of_vicidial_move_over_and_back_as_the_page_says() {
    move_over("coming-from/vicidial.md");
}

#[test]
fn rows_of_a_table_move_over_and_back_as_the_page_says() {
    move_over("coming-from/postgresql-table.md");
}

#[test]
fn monitoring_asks_what_the_page_says_and_every_metric_on_it_is_there() {
    if let Some(why) = missing(&["curl"]) {
        println!("{why}");
        return;
    }
    let mut site = Site::start();
    site.cluster.create_list("demo");
    site.follow("monitoring.md", |_, _| {});
    let added = site.cluster.http("a").post("/lists/demo?req=AddRecord", r#"{"GSW_PHONE":"+12125550160"}"#);
    assert_eq!(added.status, 200, "{added:?}");
    preview_twice(&site.cluster);
    until("the request is counted", || site.cluster.metric("a", "ocs_requests_total") >= 1.0);
    let metrics = ["a", "b"].map(|node| site.cluster.admin(node).get("/metrics").body).concat();
    let text = page::read("monitoring.md");
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let names: Vec<&str> = words.filter(|word| word.starts_with("ocs_") && word.len() > "ocs_".len()).collect();
    assert!(names.len() > 20, "{names:?}");
    let unknown: Vec<&&str> = names.iter().filter(|name| !metrics.contains(name.trim_end_matches("_total"))).collect();
    assert!(unknown.is_empty(), "no node has {unknown:?}");
}

/// Hands out the record of list `demo`, and finds no second one: counts by group appear with the first previews of a group.
fn preview_twice(cluster: &Cluster) {
    let campaign = "[[campaigns]]\nname = \"counted\"\nlists = [{ list = \"demo\" }]\n";
    let group = "[[campaign_groups]]\ncampaign = \"counted\"\ngroup = \"agents\"\n";
    fs::write(cluster.path("counted.toml"), format!("{campaign}{group}")).unwrap();
    cluster.ctl(&["apply", "-f", "counted.toml"]).fine();
    for (name, event) in [
        ("LoadCampaign", "CampaignLoaded"),
        ("PreviewRecordRequest", "PreviewRecord"),
        ("PreviewRecordRequest", "PreviewRecordEmpty"),
    ] {
        let answer = cluster.http("a").post(&format!("/campaigngroups/counted@agents?req={name}"), "");
        assert_eq!((answer.status, answer.attribute("GSW_USER_EVENT").as_str()), (200, Some(event)), "{answer:?}");
    }
}
