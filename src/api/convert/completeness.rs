//! Gaps of mailboxes, and how far a sweep or a backfill is.

use std::collections::BTreeMap;

use super::{duration, mailbox, time};
use crate::{
    api::{follow::signed, v1},
    ops::{
        mailbox::completeness::{BackfillReport, FolderReport, Found, Gap, Missing},
        sweep::SweepReport,
    },
};

pub(in crate::api) fn found(found: Found) -> v1::CheckCompletenessResponse {
    let (gap, folder) = match found {
        Found::Gap(found) => (Some(gap(found)), None),
        Found::Folder(report) => (None, Some(folder(report))),
    };
    v1::CheckCompletenessResponse {
        gap,
        folder,
        ..Default::default()
    }
}

fn gap(gap: Gap) -> v1::Gap {
    let described = gap.described.unwrap_or_default();
    v1::Gap {
        folder: gap.folder,
        source_id: gap.source.0,
        kind: match gap.missing {
            Missing::Handling => v1::GapKind::NotHandled,
            Missing::Archive => v1::GapKind::NotArchived,
        }
        .into(),
        subject: described.subject,
        sender: described.from.map(mailbox),
        message_id: described.message_id,
        received_time: described.received.and_then(time),
        size_bytes: signed(described.size),
        problem: described.problem,
    }
}

fn folder(report: FolderReport) -> v1::FolderReport {
    v1::FolderReport {
        folder: report.folder,
        server_count: report.counted.map(signed),
        listed_count: signed(report.listed),
        skipped_count: signed(report.passed_over),
        handled_count: signed(report.handled),
        archived_count: signed(report.archived),
        gap_count: signed(report.gaps),
        problem: report.problem,
    }
}

pub(in crate::api) fn swept(swept: SweepReport, done: bool, problem: String) -> v1::SweepAgentResponse {
    v1::SweepAgentResponse {
        handled_count: signed(swept.progress.handled),
        matched_count: signed(swept.progress.matched),
        archived_count: signed(swept.progress.archived),
        done,
        problem,
        folder_problems: folder_problems(swept.folder_problems),
    }
}

fn folder_problems(problems: BTreeMap<String, String>) -> Vec<v1::FolderProblem> {
    let named = problems.into_iter();
    named.map(|(folder, problem)| v1::FolderProblem { folder, problem }).collect()
}

pub(in crate::api) fn backfill_report(backfill_report: BackfillReport, done: bool, problem: String) -> v1::BackfillAgentResponse {
    v1::BackfillAgentResponse {
        gap_count: signed(backfill_report.gaps),
        closed_count: signed(backfill_report.closed),
        remaining_count: signed(backfill_report.left),
        matched_count: signed(backfill_report.progress.matched),
        archived_count: signed(backfill_report.progress.archived),
        folder_problems: if done {
            folder_problems(backfill_report.folder_problems)
        } else {
            Vec::new()
        },
        remaining: backfill_report.remaining.filter(|_| !done && problem.is_empty()).map(duration),
        done,
        problem,
    }
}
