//! Examples that stand in the help of the commands, before the exit codes. Text alone.

/// What `--help` shows before the exit codes.
pub(super) const EXAMPLES: &str = "\
A first go:
  tollgate init                      look for .wasm files, write tollgate.yml and a first baseline
  tollgate list                      what a run measures and what it costs
  tollgate run                       measure, compare, decide
  tollgate run --update-baselines    accept what was measured
";

/// Examples of each command; of those that decide, `--help` also shows the exit codes.
pub(super) const RUN_EXAMPLES: &str = "\
Examples:
  tollgate run                                         all samples up to the tier `pr`, on all backends
  tollgate run --sample 'fib*' --backend cranelift     some of them
  tollgate run --sample build/filter.wasm              a module that the configuration does not list
  tollgate run --stage jit --budget 30s                validate, compile, instantiate and execute only
  tollgate run --base-ref origin/main                  against that revision, measured in the same blocks
  tollgate run --base-worker old/tollgate              against another executable, such as one with an older Wasmer
  tollgate run --shard 2/4 --out shard-2               the second of four parts; `tollgate merge` puts them together
  tollgate run --update-baselines --reason \"why\"       accept what was measured, also where it got worse
";
pub(super) const COMPARE_EXAMPLES: &str = "\
Examples:
  tollgate compare main/tollgate-out tollgate-out      this branch beside the main one
  tollgate compare old.json new.json --verbose         every cell, also what did not change
";
pub(super) const JUDGE_EXAMPLES: &str = "\
Examples:
  tollgate judge tollgate-out                          decide again, also on a run that was killed
  tollgate judge results.json --baselines baselines    by the baselines as they are now
  tollgate judge results.json --config strict.yml      by other thresholds and another `fail-on`
";
pub(super) const MERGE_EXAMPLES: &str = "\
Examples:
  tollgate merge downloads --out tollgate-out --shards 4   every results.json below that folder, put together
  tollgate merge 1/results.json 2/results.json --out all   two of them, by name; then: tollgate judge all

Exit codes:
  0    every shard is there as a whole
  2    could not run: nothing was found, or the results are not shards of one run; nothing is written
  3    a shard is missing, there more than once, or was stopped: results are written, with its cells broken
";
pub(super) const REPORT_EXAMPLES: &str = "\
Examples:
  tollgate report tollgate-out --verbose               every cell
  tollgate report results.json --format markdown       for a pull request
";
pub(super) const POST_EXAMPLES: &str = "\
Examples:
  tollgate post                                        tell of tollgate-out/results.json; GITHUB_TOKEN lets it comment
  tollgate post --comment false --status               no comment, but a commit status
  tollgate post --comment-key arm                      a second comment, beside that of another job

What cannot be told, for want of a token, a permission or a network, is a warning: the exit code is the verdict's.
";
pub(super) const PUBLISH_EXAMPLES: &str = "\
Examples:
  tollgate publish --workflow .github/workflows/tollgate.yml

It runs in a workflow that a `workflow_run` event starts, with `actions: read` and `pull-requests: write`; it needs no
checkout. Exit codes: 0 where it posted or rightly did nothing, 2 otherwise.
";
pub(super) const LIST_EXAMPLES: &str = "\
Examples:
  tollgate list --tier smoke                           what a run of that tier takes
  tollgate list --sample 'fib*' --format json          the same filters as of `tollgate run`, for programs
";
pub(super) const NOISE_EXAMPLES: &str = "\
Examples:
  tollgate noise                                       what a run of the tier `pr` finds here, and what it does not
  tollgate noise --backend cranelift --budget 2m       on one backend
  tollgate noise --results tollgate-noise              the same figures again, without measuring
";
pub(super) const REPLAY_EXAMPLES: &str = "\
Examples:
  tollgate replay launches.jsonl.gz                         our rule beside those of the field
  tollgate replay quiet.jsonl busy.jsonl --verbose          each by itself; each cell, and the sources
  tollgate replay launches.jsonl.gz --tolerance 0,2 --cells 60 --most-pairs 12

A recording has one JSON object a line, plain or packed with gzip:
  {\"planted\": 0.02, \"blocks\": [{\"exec\": [[\"A\", [18438, …]], [\"B\", [18790, …]], …]}, …]}
`planted` is the slowdown of side B as a share of its time. A block has two observations of each side
for each cell, in nanoseconds.
";
pub(super) const INIT_EXAMPLES: &str = "\
Examples:
  tollgate init                                        for the modules here and below
  tollgate init plugins --no-baseline                  the configuration only, to complete it first
";
