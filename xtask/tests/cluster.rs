//! Throw-away clusters keep their promises.

use anyhow::Result;
use std::fs;
use std::process::Command;
use xtask::cluster::{Plan, Stop};
use xtask::testing;

#[test]
fn committed_rows_survive_a_kill_and_an_immediate_stop() -> Result<()> {
    let cluster = Plan::new("kill").setting("synchronous_commit", "on").start(&testing::postgres()?)?;
    cluster.psql("postgres", "CREATE TABLE t (x int); INSERT INTO t VALUES (1)")?;
    cluster.kill()?;
    assert!(!cluster.is_running());
    cluster.start()?;
    cluster.psql("postgres", "INSERT INTO t VALUES (2)")?;
    cluster.restart(Stop::Immediate)?;
    assert_eq!(cluster.psql("postgres", "SELECT sum(x) FROM t")?, "3\n");
    Ok(())
}

#[test]
fn settings_reach_the_server_and_no_tcp_port_is_open() -> Result<()> {
    let cluster =
        Plan::new("settings").setting("work_mem", "3MB").without_fsync().start(&testing::postgres()?)?;
    let shown = cluster
        .psql("postgres", "SELECT current_setting('work_mem'), current_setting('listen_addresses')")?;
    assert_eq!(shown, "3MB|\n");
    cluster.append_setting("work_mem", "5MB")?;
    cluster.restart(Stop::Fast)?;
    let mut client = cluster.connect("postgres")?;
    let work_mem: String = client.query_one("SHOW work_mem", &[])?.get(0);
    assert_eq!(work_mem, "5MB");
    Ok(())
}

#[test]
fn the_extension_is_there() -> Result<()> {
    let cluster = Plan::new("extension").without_fsync().start(&testing::postgres()?)?;
    cluster.create_database("d")?;
    cluster.psql("d", "CREATE EXTENSION quartzdb")?;
    Ok(())
}

#[test]
fn nothing_but_the_log_is_left_of_a_dropped_cluster() -> Result<()> {
    let cluster = Plan::new("dropped").without_fsync().start(&testing::postgres()?)?;
    let (data, sockets) = (cluster.data_dir(), cluster.socket_dir().to_owned());
    assert!(sockets.exists() && data.exists());
    drop(cluster);
    assert!(!sockets.exists() && !data.exists());
    Ok(())
}

/// Runs as a process of its own, which [`a_dead_run_s_cluster_is_removed_by_the_next`] kills.
#[test]
#[ignore = "helper of another test"]
fn starts_a_cluster_and_waits() -> Result<()> {
    let cluster = Plan::new("abandoned").without_fsync().start(&testing::postgres()?)?;
    println!("data: {}", cluster.data_dir().display());
    std::thread::sleep(std::time::Duration::from_secs(600));
    Ok(())
}

#[test]
fn a_dead_run_s_cluster_is_removed_by_the_next() -> Result<()> {
    use std::io::{BufRead, BufReader};
    let arguments = ["starts_a_cluster_and_waits", "--exact", "--ignored", "--nocapture"];
    let mut helper = Command::new(std::env::current_exe()?)
        .args(arguments)
        .stdout(std::process::Stdio::piped())
        .spawn()?;
    let lines = BufReader::new(helper.stdout.take().unwrap()).lines().map_while(Result::ok);
    let data = lines.filter_map(|line| Some(line.split_once("data: ")?.1.to_owned())).next().unwrap();
    helper.kill()?;
    helper.wait()?;
    assert!(fs::exists(&data)?);
    let _next = Plan::new("next").create(&testing::postgres()?)?;
    assert!(!fs::exists(&data)?);
    Ok(())
}
