//! Adds up the figures of all licenses, part by part.

use std::collections::{BTreeMap, HashMap};

use crate::model::{ClonedLicense, Figures, MAX_CLONED, MAX_VERSIONS, PlanFigures, VersionFigures};
use crate::store::{Error, FiguresPart};
use opterius_base::clock::Timestamp;

/// Licenses that one read transaction counts, so that none takes long.
pub const BATCH: i64 = 5000;

/// Versions that are counted at the same time. When there are twice as many, the rarest are dropped: servers choose the text,
/// and a version that is in use everywhere is never among the rarest.
const MAX_COUNTED: usize = 1000;

/// An unfinished count.
#[derive(Default)]
pub struct Count {
    plans: BTreeMap<String, PlanFigures>,
    versions: HashMap<Option<String>, u64>,
    other_versions: u64,
    clones: u64,
    cloned: Vec<ClonedLicense>,
}

impl Count {
    /// Counts everything. `read` returns the figures of the [`BATCH`] licenses from a number on.
    ///
    /// # Errors
    /// What `read` returns.
    pub fn of<E: From<Error>>(
        now: Timestamp,
        mut read: impl FnMut(i64) -> Result<FiguresPart, E>,
    ) -> Result<Figures, E> {
        let mut count = Self::default();
        let mut from = Some(0);
        while let Some(start) = from {
            let part = read(start)?;
            from = part.next;
            count.add(part);
        }
        Ok(count.finish(now))
    }

    fn add(&mut self, part: FiguresPart) {
        for plan in part.plans {
            let name = plan.plan.clone();
            self.plans.entry(name).or_default().add(&plan);
        }
        for VersionFigures { version, servers } in part.versions {
            let counted = self.versions.entry(version).or_default();
            *counted = counted.saturating_add(servers);
        }
        self.other_versions = self.other_versions.saturating_add(part.other_versions);
        if self.versions.len() > 2 * MAX_COUNTED {
            let kept = self.take_versions(MAX_COUNTED);
            self.versions = kept.into_iter().map(|figures| (figures.version, figures.servers)).collect();
        }
        self.clones = part.cloned.iter().fold(self.clones, |all, cloned| all.saturating_add(cloned.clones));
        self.cloned.extend(part.cloned);
        self.cloned.sort_by_key(|cloned| (u64::MAX.saturating_sub(cloned.clones), cloned.license));
        self.cloned.truncate(MAX_CLONED);
    }

    /// The `most` most frequent versions; the others are added to the others.
    fn take_versions(&mut self, most: usize) -> Vec<VersionFigures> {
        let all = std::mem::take(&mut self.versions);
        let mut versions: Vec<VersionFigures> =
            all.into_iter().map(|(version, servers)| VersionFigures { version, servers }).collect();
        versions.sort_by(|one, other| other.servers.cmp(&one.servers).then_with(|| one.version.cmp(&other.version)));
        let rest = versions.split_off(most.min(versions.len()));
        self.other_versions = rest.iter().fold(self.other_versions, |all, rest| all.saturating_add(rest.servers));
        versions
    }

    fn finish(mut self, at: Timestamp) -> Figures {
        let versions = self.take_versions(MAX_VERSIONS);
        let servers = versions.iter().fold(self.other_versions, |all, version| all.saturating_add(version.servers));
        let plans = self.plans.into_iter().map(|(plan, figures)| PlanFigures { plan, ..figures }).collect();
        Figures {
            at,
            plans,
            servers,
            versions,
            other_versions: self.other_versions,
            clones: self.clones,
            cloned: self.cloned,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(range: std::ops::Range<u64>, servers: u64) -> Vec<VersionFigures> {
        range.map(|number| VersionFigures { version: Some(format!("{number}")), servers }).collect()
    }

    #[test]
    fn parts_add_up_and_invented_versions_hide_no_real_one() {
        let mut parts: Vec<FiguresPart> = (0..20)
            .map(|part| {
                let mut invented = versions(part * 900..part * 900 + 900, 1);
                invented.push(VersionFigures { version: Some("real".to_owned()), servers: 7 });
                let cloned = vec![ClonedLicense { license: part as i64, clones: part }];
                let plans =
                    vec![PlanFigures { plan: "free".to_owned(), active: 2, expired: 1, ..PlanFigures::default() }];
                FiguresPart { plans, versions: invented, other_versions: 5, cloned, next: None }
            })
            .collect();
        for (part, next) in parts.iter_mut().zip(1..20) {
            part.next = Some(next);
        }
        let now = Timestamp::from_unix(0);
        let figures = Count::of(now, |from| Ok::<_, Error>(parts[from as usize].clone())).unwrap();
        let free = PlanFigures { plan: "free".to_owned(), active: 40, expired: 20, ..PlanFigures::default() };
        assert_eq!(figures.plans, [free]);
        assert_eq!((figures.servers, figures.versions.len()), (20 * (900 + 7 + 5), MAX_VERSIONS));
        assert_eq!(figures.versions[0], VersionFigures { version: Some("real".to_owned()), servers: 140 });
        assert_eq!(figures.other_versions, figures.servers - 140 - 9);
        assert_eq!((figures.clones, figures.cloned.len()), ((0..20).sum(), MAX_CLONED));
        assert_eq!(figures.cloned[0], ClonedLicense { license: 19, clones: 19 });
    }

    #[test]
    fn an_empty_installation_has_figures_too() {
        let figures = Count::of(Timestamp::from_unix(0), |_| Ok::<_, Error>(FiguresPart::default())).unwrap();
        assert_eq!((figures.servers, figures.licenses().all(), figures.plans.len()), (0, 0, 0));
    }
}
