//! The conditions of `wait`, and its exit codes.

use crate::{Double, nobody, ocsctl, ocsctl_at};

#[tokio::test]
async fn a_condition_that_is_met_ends_at_once_and_another_one_with_the_time() {
    let double = Double::start().await;
    let wait = |condition: &'static str| ["--timeout", "0.2", "wait", "--for", condition];
    for met in ["primary", "ready", "role=a:primary", "role=b:backup"] {
        let ran = ocsctl(&double, &wait(met)).await;
        assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{met}: {}", ran.err);
    }
    for (open, why) in [
        ("role=b:primary", "b is not primary: it is backup"),
        ("role=a:witness", "a is not witness: it is primary"),
        ("drained=b", "b is not drained: its HTTP front end is running"),
        ("version=9.9.9", "not 9.9.9"),
        ("replicated", "not replicated: a has committed nothing yet"),
    ] {
        let ran = ocsctl(&double, &wait(open)).await;
        assert!(ran.code == 1 && ran.err.contains(why), "{open}: {} {}", ran.code, ran.err);
    }
    double.state().primary = "b".to_owned();
    assert_eq!(ocsctl(&double, &wait("role=b:primary")).await.code, 0);
}

#[tokio::test]
async fn a_silent_node_is_exit_code_3_and_what_is_no_condition_is_wrong_usage() {
    let double = Double::start().await;
    for condition in ["drained=z", "role=z:backup"] {
        assert_eq!(ocsctl(&double, &["--timeout", "0.2", "wait", "--for", condition]).await.code, 3, "{condition}");
    }
    let nobody = nobody().await;
    for condition in ["primary", "replicated", "version=1", "role=a:primary"] {
        let ran = ocsctl_at(&nobody, &["--timeout", "0.2", "wait", "--for", condition]).await;
        assert_eq!(ran.code, 3, "{condition}: {}", ran.err);
    }
    for wrong in ["leader", "role=a", "drained="] {
        let ran = ocsctl(&double, &["wait", "--for", wrong]).await;
        assert!(ran.code == 2 && ran.err.contains("role=NODE:backup"), "{wrong}: {}", ran.err);
    }
}
