//! Runs rules over a graph. A rule is evaluated once for each distinct combination of the facts that decide, and
//! the verdict is reused: hundreds of thousands of grants come down to a few hundred evaluations.

use super::coverage::{JudgedGap, RuleOutcome, judge};
use super::evidence::{Shared, gather, identity_ref, place, trust};
use super::facts::{FactId, IdentityFacts, Lens, Subject, Value, Ways, get, leads_to, steps};
use super::schema::{Rule, Whom};
use super::set::RuleSet;
use super::subsume::{number_equals, subsume};
use super::waive;
use crate::finding::{
    Confidence, Disposition, Evidence, Finding, FingerprintParts, IdentityRef, Place, Severity, SubjectKind,
    fingerprint,
};
use crate::graph::{AccessGraph, Escalation};
use crate::model::{FastMap, Instant, Ix, cmp_folded};
use crate::policy::{Config, Waiver};
use crate::rbac::Tri;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

/// What a run is given besides the graph.
#[derive(Clone, Copy, Debug)]
pub struct Judging<'a> {
    /// The rules.
    pub rules: &'a RuleSet,
    /// The configuration.
    pub config: &'a Config,
    /// The waivers.
    pub waivers: &'a [Waiver],
    /// Where the estate came from, for rules that are not meaningful everywhere: `live`, `snapshot`, …
    pub source: &'a str,
    /// The time that ages and dormancy are judged at.
    pub judged_at: Instant,
    /// The time that waivers are judged at.
    pub decided_at: Instant,
    /// The severity from which a gap can hide something that counts.
    pub threshold: Severity,
    /// Whether what a change leaves as it is counts, too.
    pub all: bool,
}

/// What a run gives.
#[derive(Debug)]
pub struct Judged {
    /// Sorted by severity, rule, subject, fingerprint.
    pub findings: Vec<Finding>,
    /// Sorted by slug.
    pub rules: Vec<RuleOutcome>,
    /// Sorted by source.
    pub gaps: Vec<JudgedGap>,
    /// What was worked out for each identity, in the graph's order.
    pub identities: Vec<IdentityFacts>,
    /// The environment of each scope, in the graph's order.
    pub environments: Vec<Option<String>>,
    /// The name of each scope that has another than the end of its id.
    pub scope_names: HashMap<usize, String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    Silent,
    Unknown,
    Fires(Severity, Confidence),
}

#[derive(Clone, Copy, Default)]
struct Tally {
    subjects: usize,
    findings: usize,
    inconclusive: usize,
}

/// Rules that look at the same subjects, with the facts that any of them asks for.
struct Group<'r> {
    rules: Vec<&'r Rule>,
    facts: Vec<FactId>,
}

impl<'r> Group<'r> {
    fn new(rules: Vec<&'r Rule>) -> Group<'r> {
        let mut facts = Vec::new();
        rules.iter().for_each(|r| r.deciding_facts(&mut facts));
        Group { rules, facts }
    }
}

struct Run<'a, 'g> {
    lens: &'g Lens<'g>,
    judging: &'a Judging<'a>,
    findings: Vec<Finding>,
    tallies: BTreeMap<&'a str, Tally>,
    identities: Table<Arc<IdentityRef>>,
    roles: Table<Arc<(String, String)>>,
    places: Table<Arc<Place>>,
    shared: Shared,
}

type Table<T> = FastMap<usize, T>;

/// What all findings on one subject have in common.
struct About<'g> {
    id: Arc<str>,
    evidence: Arc<[Evidence]>,
    identity: Option<Arc<IdentityRef>>,
    role: Option<Arc<(String, String)>>,
    place: Option<Arc<Place>>,
    condition: &'g str,
    principal: &'g str,
    /// Where it is declared, if it is.
    declared: Option<&'g crate::model::Declaration>,
}

/// From how many identities on a second thread is worth its start.
const MANY: usize = 500;

/// Runs every rule that is on.
pub fn run(graph: &AccessGraph, judging: &Judging<'_>) -> Judged {
    let asked = |r: &Rule| r.enabled && r.ways().is_some() && r.sources.iter().any(|s| s == judging.source);
    let ahead = graph.identities().len() >= MANY && judging.rules.iter().any(asked);
    std::thread::scope(|scope| {
        // What the last rules ask for is worked out while the first ones run; whoever comes first keeps it with the graph.
        if ahead {
            scope.spawn(|| Escalation::new(graph).all().len());
        }
        run_all(graph, judging)
    })
}

fn run_all(graph: &AccessGraph, judging: &Judging<'_>) -> Judged {
    let mut lens = Lens::new(graph, judging.config, judging.judged_at);
    lens.count_applicable();
    let mut run = Run::new(&lens, judging);
    for kind in SubjectKind::ALL.into_iter().filter(|k| *k != SubjectKind::Waiver) {
        run.kind(kind);
    }
    run.estate();
    let (mut findings, mut tallies) = (run.findings, run.tallies);
    subsume(&mut findings, judging.rules);
    let matches = waive::apply(&mut findings, judging.waivers, judging.decided_at);
    lens.note_waivers(judging.waivers, &matches, judging.decided_at);
    let mut last = Run::new(&lens, judging);
    last.kind(SubjectKind::Waiver);
    findings.extend(last.findings);
    tallies.extend(last.tallies);
    // Each rule met its subjects in the order of their ids: within a rule the second sort finds long sorted runs.
    findings.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.rule.slug.cmp(&b.rule.slug)));
    for alike in findings.chunk_by_mut(|a, b| a.severity == b.severity && a.rule.slug == b.rule.slug) {
        alike.sort_by(|a, b| {
            cmp_folded(&a.subject, &b.subject).then_with(|| a.fingerprint.cmp(&b.fingerprint))
        });
    }
    number_equals(&mut findings);
    lens.note_ways();
    let coverage = &graph.estate().coverage;
    let outcomes = judging.rules.iter().map(|rule| {
        let tally = tallies.get(rule.slug()).copied().unwrap_or_default();
        RuleOutcome::new(rule, coverage, tally.subjects, tally.findings, tally.inconclusive)
    });
    let gaps = graph.estate().gaps.iter().chain(graph.gaps()).cloned().collect();
    let names = lens.scope_names.iter().map(|(at, name)| (*at, graph.text(*name).to_owned()));
    Judged {
        findings,
        rules: outcomes.collect(),
        gaps: judge(gaps, coverage, judging.rules, judging.config, judging.threshold, judging.decided_at),
        scope_names: names.collect(),
        environments: lens.scope_environment.iter().map(|e| e.map(str::to_owned)).collect(),
        identities: lens.identities,
    }
}

impl<'a, 'g> Run<'a, 'g> {
    fn new(lens: &'g Lens<'g>, judging: &'a Judging<'a>) -> Run<'a, 'g> {
        Run {
            lens,
            judging,
            findings: Vec::new(),
            tallies: BTreeMap::new(),
            identities: Table::default(),
            roles: Table::default(),
            places: Table::default(),
            shared: Shared::default(),
        }
    }

    fn kind(&mut self, kind: SubjectKind) {
        let source = self.judging.source;
        let on = |r: &&Rule| r.enabled && r.subject == kind && r.sources.iter().any(|s| s == source);
        let rules: Vec<&'a Rule> = self.judging.rules.iter().filter(on).collect();
        if rules.is_empty() {
            return;
        }
        let lens = self.lens;
        let estate = lens.graph.estate();
        let judged = |at| lens.identity(at).judged;
        let mut subjects: Vec<Subject> = Vec::new();
        match kind {
            SubjectKind::Assignment => return self.assignments(rules),
            SubjectKind::Identity => {
                let all = lens.graph.identities().iter().filter(|(at, _)| judged(*at));
                subjects.extend(all.map(|(at, _)| Subject { identity: Some(at), ..Subject::default() }));
            }
            SubjectKind::RoleDefinition => {
                let custom = lens
                    .graph
                    .roles()
                    .iter()
                    .filter(|(_, r)| r.defined && r.kind == crate::model::RoleKind::Custom);
                subjects.extend(custom.map(|(at, _)| Subject { role: Some(at), ..Subject::default() }));
            }
            SubjectKind::FederatedCredential => {
                let mut owner = HashMap::new();
                for (at, identity) in lens.graph.identities().iter() {
                    identity.federated.iter().for_each(|c| {
                        owner.insert(*c, at);
                    });
                }
                subjects.extend((0..estate.federated.len()).map(|at| Subject {
                    credential: Some(at),
                    identity: owner.get(&at).copied(),
                    ..Subject::default()
                }));
            }
            SubjectKind::Vault => {
                subjects.extend(
                    (0..estate.vaults.len()).map(|at| Subject { vault: Some(at), ..Subject::default() }),
                );
            }
            SubjectKind::PolicyAssignment => {
                for (at, identity) in lens.graph.identities().iter() {
                    if let Some(policy) = identity.policy {
                        subjects.push(Subject {
                            policy: Some(policy),
                            identity: Some(at),
                            ..Subject::default()
                        });
                    }
                }
            }
            SubjectKind::Resource => {
                let hosts = estate.resources.iter().enumerate();
                let hosts = hosts.filter(|(_, r)| {
                    r.settings.is_some()
                        || r.identity.as_ref().is_some_and(|b| !b.user.is_empty())
                        || lens.takes_keys(r)
                });
                subjects.extend(hosts.map(|(at, _)| Subject { resource: Some(at), ..Subject::default() }));
            }
            SubjectKind::Waiver => {
                subjects.extend(
                    (0..lens.waivers.len()).map(|at| Subject { waiver: Some(at), ..Subject::default() }),
                );
            }
            SubjectKind::File => subjects.push(Subject::default()),
        }
        if !subjects.is_empty() {
            self.group(&Group::new(rules), &subjects);
        }
    }

    fn assignments(&mut self, rules: Vec<&'a Rule>) {
        let lens = self.lens;
        let (all, identities): (Vec<&Rule>, Vec<&Rule>) =
            rules.into_iter().partition(|r| r.whom == Whom::Anyone);
        let grants = lens.graph.grants().iter().map(|(at, grant)| {
            let identity = lens.graph.parties()[grant.party].identity;
            Subject { grant: Some(at), identity, ..Subject::default() }
        });
        // What somebody may activate is not held, and a managed identity cannot activate anything.
        let in_force = |s: &Subject| {
            s.grant.is_some_and(|at| lens.graph.grants()[at].state != crate::model::GrantState::Eligible)
        };
        let mut every: Vec<Subject> = grants.filter(in_force).collect();
        if !all.is_empty() && !every.is_empty() {
            self.group(&Group::new(all), &every);
        }
        every.retain(|s| s.identity.is_some_and(|i| lens.identity(i).judged));
        every.extend(
            lens.group_grants
                .iter()
                .enumerate()
                .filter(|(_, g)| lens.identity(g.identity).judged)
                .map(|(at, g)| Subject {
                    grant: Some(g.held.grant),
                    via: Some(at),
                    identity: Some(g.identity),
                    ..Subject::default()
                })
                .filter(in_force),
        );
        if !identities.is_empty() && !every.is_empty() {
            self.group(&Group::new(identities), &every);
        }
    }

    /// What rules say once of the whole estate.
    fn estate(&mut self) {
        let source = self.judging.source;
        let (lens, subject) = (self.lens, Subject::default());
        let fact = |id: FactId| get(id)(lens, &subject);
        for rule in self.judging.rules.iter().filter(|r| r.enabled && r.sources.iter().any(|s| s == source)) {
            let Some(estate) = &rule.estate else { continue };
            if estate.when.expr().evaluate(&fact) != Tri::True {
                continue;
            }
            let about = self.about(&subject);
            let mut finding = self.finding(
                rule,
                (rule.fixed.unwrap_or(estate.severity), rule.confidence),
                &subject,
                &about,
            );
            finding.subject_kind = SubjectKind::File;
            finding.message = estate.message.fill(&finding.subject, &fact, false);
            finding.commands.clear();
            self.findings.push(finding);
            self.tallies.entry(rule.slug()).or_default().findings += 1;
        }
    }

    fn group(&mut self, group: &Group<'a>, subjects: &[Subject]) {
        let lens: &'g Lens<'g> = self.lens;
        let getters: Vec<_> = group.facts.iter().map(|id| get(*id)).collect();
        let mut memo: FastMap<Box<[Value<'g>]>, Rc<[Outcome]>> = HashMap::default();
        let mut key: Vec<Value<'g>> = Vec::with_capacity(getters.len());
        let mut tallies = vec![Tally::default(); group.rules.len()];
        for subject in subjects {
            key.clear();
            key.extend(getters.iter().map(|get| get(lens, subject)));
            let outcomes = match memo.get(key.as_slice()) {
                Some(known) => Rc::clone(known),
                None => {
                    let lookup = |id: FactId| {
                        let at = group.facts.iter().position(|f| *f == id);
                        at.and_then(|at| key.get(at)).copied().unwrap_or(Value::Missing)
                    };
                    let fresh: Rc<[Outcome]> =
                        group.rules.iter().map(|rule| outcome(rule, &lookup)).collect();
                    memo.insert(key.clone().into_boxed_slice(), Rc::clone(&fresh));
                    fresh
                }
            };
            let mut about = None;
            for ((rule, outcome), tally) in group.rules.iter().zip(outcomes.iter()).zip(&mut tallies) {
                tally.subjects += 1;
                match outcome {
                    Outcome::Silent => {}
                    Outcome::Unknown => tally.inconclusive += 1,
                    Outcome::Fires(severity, confidence) => {
                        tally.findings += 1;
                        let about = about.get_or_insert_with(|| self.about(subject));
                        let finding = self.finding(rule, (*severity, *confidence), subject, about);
                        self.findings.push(finding);
                    }
                }
            }
        }
        for (rule, tally) in group.rules.iter().zip(tallies) {
            self.tallies.insert(rule.slug(), tally);
        }
    }

    fn about(&mut self, subject: &Subject) -> About<'g> {
        let lens: &'g Lens<'g> = self.lens;
        let graph = lens.graph;
        let identity = subject.identity.map(|at| {
            let made = self.identities.entry(at.index());
            Arc::clone(made.or_insert_with(|| Arc::new(identity_ref(lens, at))))
        });
        let grant = subject.grant.map(|at| &graph.grants()[at]);
        let role = subject.role.or(grant.map(|g| g.role)).map(|at| {
            let role = &graph.roles()[at];
            let made = self.roles.entry(at.index());
            Arc::clone(made.or_insert_with(|| Arc::new((role.name.clone(), role.key.clone()))))
        });
        let scope = grant.map(|g| g.scope).or_else(|| self.own_scope(subject));
        let place = scope.map(|at| {
            let made = self.places.entry(at.index());
            Arc::clone(made.or_insert_with(|| Arc::new(place(lens, at))))
        });
        let party = match (subject.identity, grant) {
            (Some(identity), _) => graph.identities()[identity].party,
            (None, Some(grant)) => Some(grant.party),
            (None, None) => None,
        };
        let id = self.subject_id(subject);
        let declarations = &graph.estate().declarations;
        let declared = declarations.get(&id.to_ascii_lowercase()).filter(|_| !declarations.is_empty());
        let id: Arc<str> = declared.map_or(id.as_str(), |d| d.address.as_str()).into();
        About {
            declared,
            evidence: gather(lens, subject, &id, &mut self.shared),
            id,
            identity,
            role,
            place,
            condition: grant.and_then(|g| graph.condition(g)).map_or("", |c| graph.text(c.text)),
            principal: party.map_or("", |p| graph.text(graph.parties()[p].principal)),
        }
    }

    fn finding(
        &self,
        rule: &Rule,
        (severity, confidence): (Severity, Confidence),
        subject: &Subject,
        about: &About<'_>,
    ) -> Finding {
        let lens = self.lens;
        let facts = subject.identity.map(|i| lens.identity(i));
        let fact = |id: FactId| get(id)(lens, subject);
        let ways = subject.identity.zip(rule.ways()).map(|(at, ways)| steps(lens, at, ways));
        let ways = ways.unwrap_or_default();
        let mut message = rule.message.fill(&about.id, &fact, false);
        let mut confidence = confidence;
        let judges_identity =
            rule.whom == Whom::Identities && !matches!(rule.subject, SubjectKind::RoleDefinition);
        if judges_identity && facts.is_some_and(|f| f.uncertain) {
            message.push_str(" (nothing that was read says whether the principal is a managed identity)");
            confidence = confidence.min(Confidence::Medium);
        }
        let mut severity = severity;
        if facts.is_some_and(|f| f.platform) && rule.fixed.is_none() && severity != Severity::Info {
            message.push_str(" (expected of a platform identity)");
            severity = severity.lower();
        }
        let trust = subject.credential.map_or_else(String::new, |at| trust(lens, at));
        let parts = FingerprintParts {
            rule: rule.slug(),
            subject: about.declared.map_or(&about.id, |d| &d.stable),
            principal: about.principal,
            role: about.role.as_deref().map_or("", |(_, key)| key),
            scope: about.place.as_deref().map_or("", |p| &p.scope),
            condition: match subject.identity.filter(|_| rule.ways() == Some(Ways::Own)) {
                Some(at) => leads_to(lens, at),
                None if !trust.is_empty() => &trust,
                None => about.condition,
            },
            ordinal: 0,
        };
        Finding {
            fingerprint: fingerprint(&parts),
            rule: Arc::clone(&rule.text),
            severity,
            confidence,
            disposition: match about.declared {
                // A way is as new as the newest grant that it needs.
                Some(declared)
                    if !self.judging.all && declared.kept && ways.iter().all(|e| self.is_kept(e)) =>
                {
                    Disposition::Existing
                }
                _ => Disposition::Open,
            },
            message,
            subject_kind: rule.subject,
            // What is not there yet is changed where it is written.
            commands: match about.declared {
                Some(_) => Vec::new(),
                None => rule.commands.iter().map(|c| c.fill(&about.id, &fact, true)).collect(),
            },
            row: subject.row(),
            subject: Arc::clone(&about.id),
            identity: about.identity.clone(),
            role: about.role.clone(),
            place: about.place.clone(),
            location: about.declared.and_then(|d| d.location.clone()),
            evidence: if ways.is_empty() {
                Arc::clone(&about.evidence)
            } else {
                about.evidence.iter().chain(ways).cloned().collect()
            },
            related: Vec::new(),
            waiver: None,
            first_seen: None,
        }
    }

    /// Whether a change leaves what evidence names as it is.
    fn is_kept(&self, evidence: &Evidence) -> bool {
        let declarations = &self.lens.graph.estate().declarations;
        let id = evidence.id.as_ref().filter(|_| evidence.kind == "assignment");
        let declared = id.and_then(|id| declarations.get(&id.to_ascii_lowercase()));
        declared.is_none_or(|d| d.kept)
    }

    fn own_scope(&self, subject: &Subject) -> Option<Ix<crate::graph::ScopeNode>> {
        let (graph, estate) = (self.lens.graph, self.lens.graph.estate());
        let vault = subject.vault.and_then(|at| estate.vaults.get(at)).map(|v| v.id);
        let resource = subject.resource.and_then(|at| estate.resources.get(at)).map(|r| r.id);
        let policy = subject.policy.and_then(|at| estate.policy_assignments.get(at)).map(|p| p.id);
        match vault.or(resource).or(policy) {
            Some(id) => graph.scopes().find(estate, id),
            None => subject.identity.and_then(|at| graph.identities()[at].scope),
        }
    }

    fn subject_id(&self, subject: &Subject) -> String {
        let (graph, estate) = (self.lens.graph, self.lens.graph.estate());
        let text = |sym| graph.text(sym).to_owned();
        if let Some(record) = subject.grant.and_then(|at| graph.record(&graph.grants()[at])) {
            return estate.strings.show_id(record.id);
        }
        if let Some(role) = subject.role.map(|at| &graph.roles()[at]) {
            return role.id.clone().unwrap_or_else(|| role.key.clone());
        }
        if let Some(credential) = subject.credential.and_then(|at| estate.federated.get(at)) {
            return estate.strings.show_id(credential.id);
        }
        if let Some(vault) = subject.vault.and_then(|at| estate.vaults.get(at)) {
            return text(vault.id);
        }
        if let Some(policy) = subject.policy.and_then(|at| estate.policy_assignments.get(at)) {
            return text(policy.id);
        }
        if let Some(resource) = subject.resource.and_then(|at| estate.resources.get(at)) {
            return text(resource.id);
        }
        if let Some(waiver) = subject.waiver.and_then(|at| self.lens.waivers.get(at)) {
            return waiver.id.clone();
        }
        match subject.identity.map(|at| &graph.identities()[at]) {
            Some(identity) => {
                let principal = identity.party.map(|p| graph.parties()[p].principal);
                identity.id.or(principal).map(text).unwrap_or_default()
            }
            None => "leastwise.toml".to_owned(),
        }
    }
}

fn outcome<'v>(rule: &'v Rule, fact: &dyn Fn(FactId) -> Value<'v>) -> Outcome {
    match rule.when.expr().evaluate(fact) {
        Tri::False => Outcome::Silent,
        Tri::Unknown => Outcome::Unknown,
        Tri::True => {
            let holds = |when: &'v super::condition::Condition| when.expr().evaluate(fact) == Tri::True;
            let sure = rule.confidences.iter().find(|(_, when)| holds(when));
            let confidence = sure.map_or(rule.confidence, |(confidence, _)| *confidence);
            let special = rule.severities.iter().find(|(_, when)| holds(when));
            let severity = special.map_or(rule.severity, |(severity, _)| *severity);
            Outcome::Fires(rule.fixed.unwrap_or(severity), confidence)
        }
    }
}
