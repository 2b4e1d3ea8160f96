"""The answer of a study in words, made from nothing but its statistics."""

from __future__ import annotations

from collections.abc import Sequence

from nba_gym.evaluation.report.answer import Answer as Told
from nba_gym.evaluation.report.answer import amount, judge, span
from nba_gym.evaluation.report.study.overall import lead_scenes, say_variation
from nba_gym.evaluation.report.study.scene import Scene
from nba_gym.evaluation.results import Results
from nba_gym.evaluation.statistics import Answer, Overall, overall
from nba_gym.statistics import Interval

LEVEL = 0.05
VERDICTS = {
    "better": "better",
    "worse": "worse",
    "equal": "as good",
    "underpowered": "underpowered",
}


def find_words(results: Results, scenes: Sequence[Scene]) -> Told:
    """Who won over all worlds of the first variation, by how much, and what else to know."""
    first = lead_scenes(scenes)
    fair = [name for scene in first for name in scene.answers if _is_fair(scene, name)]
    agents = [n for n in dict.fromkeys(fair) if _kind(results, n) == "agent"]
    known = {o.contender: o for o in overall(results) if o.variation == first[0].variation}
    told = [known[name] for name in agents if name in known and known[name].percent is not None]
    if told:
        best = max(told, key=lambda o: _of(o).mean)
        rest = [_against(o) for o in told if o is not best]
        here = [scene for scene in first if scene.scenario in best.scenarios]
        details = [_by_scene(first, best.contender), *rest]
        details += [_by_scene(first, o.contender) for o in told if o is not best]
        details += _elsewhere(first, here)
        about = say_variation(scenes)
        return _claim(best, _baselines(here), about, details + _unfinished(results))
    details = [_by_scene(first, name) for name in agents or dict.fromkeys(fair)]
    details += _unfinished(results)
    answers = [scene.answers[n] for scene in first for n in scene.answers if _is_fair(scene, n)]
    if answers:
        best = max(answers, key=lambda answer: answer.percent.mean)
        return _single(best, details)
    evidence = "only the baseline and yardsticks were run."
    return Told("alone", "Nothing to decide:", evidence, _unfinished(results))


def _is_fair(scene: Scene, name: str) -> bool:
    return name not in scene.cast.roles.privileged | scene.cast.roles.idle


def _kind(results: Results, contender: str) -> str:
    return results.study["contenders"][contender]["kind"]


def _of(found: Overall) -> Interval:
    return found.percent or Interval(float("nan"), float("nan"), float("nan"))


def _baselines(scenes: Sequence[Scene]) -> str:
    return " or ".join(dict.fromkeys(scene.cast.roles.baseline for scene in scenes))


def _claim(best: Overall, baseline: str, about: str, details: list[str]) -> Told:
    """The best of the agents, which wins or loses by a test that knows that it was the best."""
    gain, worlds = _of(best), _count(len(best.scenarios), "world")
    evidence = f"(95 % interval {span(gain)} %, interquartile mean over seeds of {worlds}{about})."
    size = amount(abs(gain.mean), gain)
    verdict = judge(gain) if best.p_holm < LEVEL else "tie"
    if verdict == "tie":
        claim = f"No winner: {best.contender} and {baseline} cannot be told apart;"
        evidence = f"the gain is {amount(gain.mean, gain, signed=True)} % {evidence}"
    elif verdict == "win":
        claim = f"{best.contender} earns {size} % more than {baseline}"
    else:
        claim = f"{best.contender} does not win: it earns {size} % less than {baseline}"
    return Told(verdict, claim, evidence, details)


def _single(best: Answer, details: list[str]) -> Told:
    """Where nobody has several seeds, what the best contender came to in one world."""
    gain = best.percent
    verdict = judge(gain)
    words = {"win": "more than", "loss": "less than", "tie": "not told apart from", "alone": ""}
    claim = (
        f"{best.contender} in {best.scenario}: {amount(abs(gain.mean), gain)} % {words[verdict]} "
    )
    claim += best.baseline
    evidence = f"(95 % interval {span(gain)} %; with a single training seed at most, which says "
    evidence += "nothing of other seeds)."
    return Told(verdict, claim, evidence, details)


def _against(found: Overall) -> str:
    gain = _of(found)
    return (
        f"Over {_count(len(found.scenarios), 'world')}, {found.contender} gains "
        f"{amount(gain.mean, gain, signed=True)} % ({span(gain)})."
    )


def _elsewhere(scenes: Sequence[Scene], here: Sequence[Scene]) -> list[str]:
    """Worlds that figures over all worlds leave out, if any."""
    others = [scene.scenario for scene in scenes if scene not in here]
    if not others:
        return []
    return [
        f"Figures over {_count(len(here), 'world')} leave out {', '.join(others)}, where not all "
        "agents take part."
    ]


def _by_scene(scenes: Sequence[Scene], name: str) -> str:
    """In which worlds a contender is better, worse, as good, or nothing can be said."""
    found = [(scene, scene.answers[name]) for scene in scenes if name in scene.answers]
    parts: list[str] = []
    for verdict, word in VERDICTS.items():
        here = [_place(scene, answer) for scene, answer in found if answer.verdict == verdict]
        if here:
            parts.append(f"{word} in {', '.join(here)}")
    return f"By world, {name} is {'; '.join(parts)}."


def _place(scene: Scene, answer: Answer) -> str:
    needed = needs(answer)
    return f"{scene.scenario} ({needed})" if needed else scene.scenario


def needs(answer: Answer) -> str:
    """What an underpowered comparison would need; empty for others."""
    if answer.verdict != "underpowered":
        return ""
    if answer.alone:
        return "one training seed says nothing of others"
    if answer.seeds_needed is not None:
        return f"{answer.seeds_needed:,} seeds would do"
    if answer.customers_needed is not None:
        return f"it takes at least {answer.customers_needed:,} customers"
    return "more of both is needed"


def _unfinished(results: Results) -> list[str]:
    done, all_ = len(results.records), len(results.study["cells"])
    if results.study["finished"]:
        return []
    return [f"The study is not finished: {done} of {_count(all_, 'cell')} are there."]


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"
