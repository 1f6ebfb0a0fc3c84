//! Files of operators against real nodes: whole through pipes, rejected rows corrected, spreadsheets' phones, zones out and in again.

use std::{fs, process::Command};

use ocs_ha_tests::{Client, Cluster, Ran, program};
use serde_json::{Map, Value};

/// A script in the group's directory; `ocsctl` is the program of this build, for this group.
fn bash(cluster: &Cluster, script: &str) -> Ran {
    let ctl = cluster.ctl_command(&[]);
    let script = format!("set -o pipefail; ocsctl() {{ '{}' \"$@\"; }}; {script}", program("ocsctl").display());
    let mut bash = Command::new("bash");
    bash.args(["-c", &script]).current_dir(ctl.get_current_dir().unwrap());
    for (name, value) in ctl.get_envs() {
        match value {
            Some(value) => bash.env(name, value),
            None => bash.env_remove(name),
        };
    }
    Ran::of(&mut bash)
}

/// A record as GET shows it, but for keys that differ from list to list.
fn shown(door: &mut Client, handle: u64) -> Map<String, Value> {
    let mut shown = door.get(&format!("/records/{handle}")).json().as_object().unwrap().clone();
    for own in ["GSW_CALLING_LIST", "GSW_RECORD_HANDLE", "GSW_RECORD_URI"] {
        assert!(shown.remove(own).is_some(), "{own}");
    }
    shown
}

/// The one record of a list.
fn handle(cluster: &Cluster, list: &str) -> u64 {
    cluster.export(list, cluster.primary())[0]["handle"].parse().unwrap()
}

#[test]
fn an_export_imports_as_the_same_record_into_a_list_of_another_zone() {
    let cluster = Cluster::start();
    cluster.ctl(&["list", "create", "york", "--time-zone", "America/New_York"]).fine();
    let mut door = cluster.http(cluster.primary());
    let body = r#"{"GSW_PHONE":"+99970001","GSW_TZ_NAME":"Europe/Berlin","GSW_DATE_TIME":"12/31/2030 14:30",
                   "GSW_FROM":28800,"GSW_UNTIL":72000}"#;
    let added = door.post("/lists/york?req=AddRecord", body);
    assert_eq!(added.status, 200, "{added:?}");
    cluster.ctl(&["list", "export", "york", "-o", "york.csv"]).fine();
    cluster.ctl(&["list", "create", "tokyo", "--time-zone", "Asia/Tokyo", "--from", "york.csv"]).fine();
    let again = shown(&mut door, handle(&cluster, "tokyo"));
    assert_eq!(again, shown(&mut door, added.handle()));
    assert_eq!(again["GSW_TZ_NAME"], "Europe/Berlin");
    assert_eq!(again["GSW_DATE_TIME"], "12/31/2030 14:30");
    cluster.assert_equal();
}

#[test]
fn fifty_thousand_rows_through_a_pipe_and_rows_without_their_last_cells_all_arrive() {
    let cluster = Cluster::start();
    cluster.create_list("piped");
    let rows = "(echo contact_info,NA; seq -f '+9996%07.0f,ab' 0 49999)";
    let ran = bash(&cluster, &format!("{rows} | ocsctl list import piped /dev/stdin -o json"));
    assert_eq!((ran.code, ran.json()["added"].as_u64()), (0, Some(50_000)), "{}{}", ran.out, ran.err);
    cluster.assert_equal();
    assert_eq!(cluster.export("piped", "b").len(), 50_000);
    let short = "contact_info,NAME,CITY\n+99950401,North,Oslo\n+99950402,South\n+99950403\n+99950404,,\n";
    fs::write(cluster.path("short.csv"), short).unwrap();
    let said = cluster.ctl(&["list", "create", "short", "--from", "short.csv"]).fine();
    assert_eq!(said, "Imported 4 of 4 rows (0 already there, 0 rejected)\n");
}

#[test]
fn a_file_that_is_rewritten_while_its_rows_are_sent_is_imported_as_it_was_read() {
    let cluster = Cluster::start();
    cluster.create_list("moving");
    let file = |prefix: &str| format!("(echo contact_info; seq -f '{prefix}%07.0f' 0 29999)");
    // the FIFO has a writer once the file was read, before the first row is sent; its last opening ends the wait in any case
    let script = format!(
        "{} > day.csv; {} > next.csv; mkfifo fifo; \
         {{ ocsctl list import moving day.csv --rejects fifo -o json; code=$?; : <> fifo; exit $code; }} & \
         exec 3< fifo; cat next.csv > day.csv; wait $!",
        file("+9994"),
        file("+9993")
    );
    let ran = bash(&cluster, &script);
    assert_eq!((ran.code, ran.json()["added"].as_u64()), (0, Some(30_000)), "{}{}", ran.out, ran.err);
    let rows = cluster.export("moving", cluster.primary());
    assert!(rows.len() == 30_000 && rows.iter().all(|row| row["contact_info"].starts_with("+9994")));
}

#[test]
fn rejected_rows_are_corrected_and_imported_and_the_list_gets_no_field_by_that() {
    let cluster = Cluster::start();
    cluster.create_list("demo");
    fs::write(cluster.path("fix-me.csv"), "contact_info,attempt,NAME\n+99951301,0,North\n+99951302,many,South\n")
        .unwrap();
    let first = cluster.ctl(&["list", "import", "demo", "fix-me.csv"]);
    assert_eq!(
        (first.code, first.out.as_str()),
        (1, "Imported 1 of 2 rows (0 already there, 1 rejected)\n"),
        "{}",
        first.err
    );
    let rejects = fs::read_to_string(cluster.path("fix-me.rejects.csv")).unwrap();
    assert!(rejects.starts_with("row,reason,contact_info,attempt,NAME\n2,\"attempt: "), "{rejects}");
    assert!(rejects.ends_with("\",+99951302,many,South\n"), "{rejects}");
    let ran = bash(&cluster, "sed 's/,many,/,3,/' fix-me.rejects.csv > c.csv; ocsctl list import demo c.csv");
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (0, "Imported 1 of 1 rows (0 already there, 0 rejected)\n"),
        "{}",
        ran.err
    );
    let header = cluster.export_text("demo", "a").lines().next().unwrap().to_owned();
    assert!(header.ends_with(",switch_id,tz_name,NAME,handle"), "{header}");
    cluster.assert_equal();
}

#[test]
fn phones_as_spreadsheets_write_them_are_compared_with_do_not_call() {
    let cluster = Cluster::start();
    cluster.create_list("stopped");
    let mut door = cluster.http("a");
    for phone in ["+99950801", "+99950802", "+99950803", "+99950804", "99950805", "+99950806"] {
        let added = door.post("/lists/stopped?req=AddRecord", &format!(r#"{{"GSW_PHONE":"{phone}"}}"#));
        let stopped = door.post(&format!("/records/{}?req=DoNotCall", added.handle()), "");
        assert_eq!(stopped.status, 200, "{stopped:?}");
    }
    let guards = "contact_info,NAME\n\"=\"\"+99950801\"\"\",guard formula\n'+99950802,apostrophe\n\"\t+99950803\",tab\n \
                  +99950804,space\n9.99508E+11,exponent\n99950805.0,float\n\"+99950806\n\",newline inside\n";
    fs::write(cluster.path("guards.csv"), guards).unwrap();
    let dry = cluster.ctl(&["list", "create", "demo", "--from", "guards.csv", "--dry-run", "-o", "json"]);
    assert_eq!((dry.code, dry.json()["no_call"].as_u64()), (1, Some(6)), "{}{}", dry.out, dry.err);
    let ran = cluster.ctl(&["list", "create", "demo", "--from", "guards.csv", "-o", "json"]);
    let counts = ["rows", "added", "rejected", "no_call"].map(|name| ran.json()[name].as_u64().unwrap());
    assert_eq!((ran.code, counts), (1, [7, 6, 1, 6]), "{}{}", ran.out, ran.err);
    let rejects = fs::read_to_string(cluster.path("guards.rejects.csv")).unwrap();
    assert!(rejects.contains("\n5,\"contact_info: ") && rejects.contains("exponent"), "{rejects}");
    let columns = ["list", "export", "demo", "--columns", "record_type,record_status,call_result"];
    let rows = cluster.ctl(&columns).fine();
    assert_eq!(rows, format!("record_type,record_status,call_result\n{}", "7,3,51\n".repeat(6)));
    cluster.assert_equal();
}
