//! Stages of a check.

use super::time;
use crate::{
    api::v1,
    net::{CertificateFacts, ErrorClass, Stage, StageKind},
};

pub(in crate::api) fn stage(stage: Stage) -> v1::CheckStage {
    let kind = match stage.kind {
        StageKind::Resolve => v1::CheckStageKind::Resolve,
        StageKind::Connect => v1::CheckStageKind::Connect,
        StageKind::Tls => v1::CheckStageKind::Tls,
        StageKind::Authenticate => v1::CheckStageKind::Authenticate,
        StageKind::OpenInbox => v1::CheckStageKind::OpenInbox,
        StageKind::Send => v1::CheckStageKind::Send,
    };
    let (state, fault, summary, server_reply, certificate) = match stage.outcome {
        Ok(facts) => (
            v1::CheckStageState::Passed,
            v1::CheckFault::Unspecified,
            facts.summary,
            facts.server_reply,
            facts.certificate,
        ),
        Err(error) => (
            v1::CheckStageState::Failed,
            fault(error.class),
            error.problem,
            error.server_reply,
            error.certificate.map(|certificate| *certificate),
        ),
    };
    v1::CheckStage {
        kind: kind.into(),
        state: state.into(),
        duration: prost_types::Duration::try_from(stage.took).ok(),
        summary,
        server_reply,
        certificate: certificate.map(server_certificate),
        fault: fault.into(),
    }
}

fn fault(class: ErrorClass) -> v1::CheckFault {
    match class {
        ErrorClass::Retry { .. } | ErrorClass::StateLost => v1::CheckFault::Temporary,
        ErrorClass::Unreachable => v1::CheckFault::Unreachable,
        ErrorClass::LoginRequired => v1::CheckFault::Login,
        ErrorClass::Refused => v1::CheckFault::Refused,
        ErrorClass::TooLarge => v1::CheckFault::TooLarge,
        ErrorClass::Malformed => v1::CheckFault::Malformed,
    }
}

fn server_certificate(facts: CertificateFacts) -> v1::ServerCertificate {
    v1::ServerCertificate {
        subject: facts.subject,
        issuer: facts.issuer,
        names: facts.names,
        not_before_time: time(facts.not_before),
        not_after_time: time(facts.not_after),
        sha256_fingerprint: facts.sha256_fingerprint,
        tls_version: facts.tls_version,
        trusted_by_fingerprint: facts.trusted_by_fingerprint,
    }
}
