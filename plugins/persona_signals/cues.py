"""What a sentence says of how long, whose and how sure a wish is, as regular expressions."""

from __future__ import annotations

import re
from collections.abc import Mapping

_TEXT = (
    r"(?:email|mail|letter|message|text|essay|paragraph|draft|post|tweet|report|note|list|"
    r"section|version|reply|answer|response|question|one|time|case|trip|recipe|dinner|meal|"
    r"project|file|function|snippet|story|poem|paper|task|plan|meeting|part|bit|sentence|"
    r"chapter|job|shelf|route|song|piece|talk|speech|slide|occasion|instance)"
)
DURABLE = re.compile(
    r"\b(?:from (?:now|here|today|this point|this day)(?: on| onwards?| forward| on out| "
    r"out)?(?! to\b)|from here on(?: out| in)?|"
    r"going forwards?|moving forwards?|in (?:the )?future|for future(?: reference| chats?| "
    r"replies)?|henceforth|hereafter|"
    r"for next time|next time you|as a (?:general )?rule|(?:general|standing|house) rule|by "
    r"default|in general|generally speaking|"
    r"at all times|for good|ever again|(?:not )?any ?more|permanently|"
    r"(?:in|for|with|to) (?:all|every|each|any)(?: (?:of|one of))?(?: (?:your|my|our|the|these|"
    r"future))* "
    r"(?:answer|repl|response|message|chat|conversation|question|request|recipe|time|thing|"
    r"email|turn|session|one of)\w*|"
    r"all future \w+|(?:every|each|any) ?time (?:you|i|we)|(?:every|each|any) (?:single "
    r")?(?:answer|reply|response|message)|"
    r"whenever|make it a (?:habit|rule|point)|when it comes to|for the rest of|until i (?:say|"
    r"tell)|unless i (?:say|ask|tell))\b",
    re.IGNORECASE,
)
ONE_OFF = re.compile(
    rf"\b(?:(?:for|in|on|with|of|to|about|from) (?:this|that|these)(?: [a-z]+)? {_TEXT}s?|"
    rf"(?:for|in|on) (?:this|that) one|"
    r"this time|just this once|just (?:for )?once|for once|for now|right now|for today|just "
    r"today|today|tonight|tomorrow|"
    r"at the moment|this (?:once|week|weekend|morning|evening|afternoon|month)|(?:in|for) "
    r"(?:the|your) (?:next|last|first|second|third) \w+|"
    r"next (?:reply|answer|message|response)|here|above|below|these two|until (?:monday|"
    r"tuesday|wednesday|thursday|friday|saturday|sunday|then|tomorrow))\b",
    re.IGNORECASE,
)
HYPOTHETICAL = re.compile(
    r"\b(?:what if|suppos(?:e|ing)|imagin(?:e|ing)|hypothetical(?:ly)?|let['’]?s (?:say|"
    r"pretend|assume|imagine)|"
    r"say (?:someone|somebody|a user|i)|pretend|(?:as|just) an example|for the sake of argument|"
    r"if you (?:were|had)|(?<!as )if i (?:were|was|said|told|asked you|had (?:to|said|told)|"
    r"wanted)|if "
    r"(?:someone|"
    r"somebody|a (?:user|person|customer|client)|anyone|people|they)|"
    r"would you (?:\w+ )?(?:if|remember|do|say|mind if)|could you (?:[^.]*) if i)\b",
    re.IGNORECASE,
)
PAST = re.compile(
    r"\b(?:i|we|you|it|they|he|she) (?:\w+ )?used to\b|\bno longer (?:need|want|care|eat|live|"
    r"have|am|work|do)|"
    r"\bi(?:['’]m| am) no longer\b|\b(?:i|we) (?:was|were|had|did|told|asked|said|wanted|"
    r"thought|never asked|didn['’]?t|wasn['’]?t)\b|"
    r"\byou (?:said|told|promised|claimed|wrote)\b|\bback (?:when|then)\b|\bwhen i was\b|"
    r"\b(?:years|months|weeks|days) ago\b|\blast (?:week|"
    r"year|month|time|night)\b|"
    r"\byesterday\b|\b(?:don['’]?t|doesn['’]?t) (?:mind|care|matter) (?:if|whether|how)",
    re.IGNORECASE,
)
_TO_ME = (
    r"(?:calls? me|means? you|(?:\w+ )?(?:bothers?|annoys?|irritates?|bugs?|drives?|upsets?|"
    r"helps?|makes?|"
    r"stresses) (?:it )?.{0,20}\b(?:when|if) you\b|['’]d (?:help|be)|['’]s (?:important|best|"
    r"easier|better) (?:to|for) me|would (?:help|be)|is "
    r"important to me|"
    r"is (?:better|best|easier) for me)"
)
OTHERS = re.compile(
    r"^\W*(?:(?:and|but|so|well|oh|btw|because|however|though|also)\b\W*)*(?:(?:he|she|they|it|"
    r"people|everyone|everybody|someone|somebody|some|most|many|users?|customers?|nobody|there|"
    r"this|"
    rf"that|these|those)\b(?!\s?{_TO_ME})|"
    r"our (?!family|household|home|house|diet|religion|faith)[\w-]+|"
    r"(?:a|an|the|his|her|their|one of (?:my|our)|some|these|those) (?!goal)[\w-]+|"
    r"my (?!name|only rule|one rule|answers|replies|pronouns?|preferred|favou?rite|go-to|home|"
    r"first language|native|mother tongue|"
    r"diet|budget|time ?zone|usual|default|preference|job|religion|faith|husband and i|wife and i|"
    r"partner and i|family (?:is|are|and|has|doesn|don)|household|eyesight|hearing|vision|"
    r"hometown|nickname|profession|age|native|background|house rule|rule)[\w-]+)",
    re.IGNORECASE,
)
REPORTED = re.compile(
    r"\b(?:says?|said|told|tells?|asks?|asked|wants?|wanted|insists?|demands?|requires?|"
    r"thinks?|suggests?|claims?|decided|"
    r"reads?|states?|wrote|writes|recommends?|advises?|advised|believes?|orders?|ordered|"
    r"prefers|likes|hates|loves|never|always|has|is|"
    r"can['’]?t|doesn['’]?t|won['’]?t|needs|uses|eats|lives|works|should|must|forgot|goes|"
    r"keeps?|does|was|were|are|have|will|would|do|don['’]?t|use|like|hate|want|need|prefer)\b",
    re.IGNORECASE,
)
ASKS = re.compile(
    r"^\W*(?:(?:and|but|so|ok|okay|well|hey|hi|btw|also|oh|wait|hmm|quick question|"
    r"question)\b\W*)*(?:what|why|who|whose|which|where|how|"
    r"when (?:is|are|was|did|do|does|should|can|will)|do|does|did|is|are|am|was|were|has|have "
    r"you|should|shall|may|might|"
    r"can (?:i|we|it|he|she|they|people|the|a|my|dogs|cats)|could (?:i|we|it|the)|would (?:it|"
    r"that|the|a)|will (?:it|the|there)|any idea|"
    r"are you|what['’]s|who['’]s|where['’]s|how['’]s|isn['’]?t|aren['’]?t|doesn['’]?t|"
    r"don['’]?t you|didn['’]?t|won['’]?t|wouldn['’]?t)\b",
    re.IGNORECASE,
)
REPLY_HABIT = re.compile(
    r"\b(?:your|ur) (?:answers|replies|responses|messages|explanations|suggestions|"
    r"recommendations|emails|tone|style)\b|"
    r"\b(?:with|to|for|at) me\b|\b(?:my|our|all) (?:chats|conversations|questions|recipes|"
    r"emails|requests|code|notes)\b|\bwhen (?:you|u|i)\b|"
    r"\bif (?:i|you)\b",
    re.IGNORECASE,
)
CREATIVE = re.compile(
    r"(?:^|[.!?,\n]\s*|\b(?:please|you|to|and)\s+)(?:write|tell|create|continue|compose|draft|"
    r"make up|generate|give|invent|script|pen)\b"
    r"(?: me| us| him| her| them)?\b[^.!?\n]{0,50}\b(?:story|poem|script|dialogue|scene|"
    r"screenplay|song|lyrics|monologue|play|novel|"
    r"fan ?fic\w*|speech|letter|e?-?mail|advert|ad|sketch|sign|slogan|notice|memo|note|policy|"
    r"rules|poster|chapter|parody|haiku|limerick|"
    r"sonnet|fable|tale|prompt|system prompt|persona|character|quote|joke|message|text|tweet|"
    r"post|card|announcement|persona)s?\b",
    re.IGNORECASE,
)
ROLE_PLAY = re.compile(
    r"\b(?:role[ -]?play\w*|pretend (?:to be|you|that you|we)|act as|act like (?:a|an|my|you)|"
    r"imagine (?:you|that you)|"
    r"you(?:['’]re| are| will be|['’]ll be) (?:now )?(?:playing|the character|in character|a "
    r"(?:pirate|king|queen|knight|wizard|dragon|robot|drill|detective|vampire|medieval|roman|"
    r"fictional))|"
    r"play the (?:role|part)|in character|(?:let['’]?s|wanna|want to|can we) play\b|you play\b|"
    r"stay in (?:character|role)|dungeon master|text adventure|simulate (?:a|an))",
    re.IGNORECASE,
)
LEAVES_PLAY = re.compile(
    r"\b(?:(?:stop|end|exit|quit|leave|drop|break|pause|finish)\w* (?:the |this |our |your "
    r")?(?:role[ -]?play\w*|character|game|scene|act|play|story|simulation)|"
    r"out of character|ooc|back to normal|(?:enough|done) (?:of |with )?(?:the |this |that "
    r")?(?:role[ -]?play\w*|playing|game|pretend\w*|story)|"
    r"no more (?:role[ -]?play\w*|pretending)|real (?:question|life)|as yourself|seriously (?:now|"
    r"though))",
    re.IGNORECASE,
)
_CUES: Mapping[str, re.Pattern[str]] = {
    name: re.compile(pattern, re.IGNORECASE)
    for name, pattern in {
        "always": r"\b(?:always|each time|every time|every single|without exception)\b",
        "never": r"\b(?:never|ever|under no circumstances|not once|no more)\b",
        "modal_you": r"\b(?:can|could|would|will) (?:you|u)\b",
        "mind_not": r"\bwould you mind not\b|\bdo you mind not\b",
        "stop_doing": r"\b(?:stop|quit|cease|refrain from|enough with|drop|lay off|cut out) "
        r"(?:the |all the |being |using |with )*\w+",
        "starts_stop": r"^(?:(?:and|also|please|ok|oh|but)\W+)*(?:stop|quit) \w+ing\b",
        "want_you": r"\bi(?:['’]d| would)? (?:really |much |always )*(?:want|need|like|love|"
        r"prefer|expect|rather|appreciate)(?: it)?(?: if| that| for)? you\b",
        "dislike_you": r"\b(?:hate|dislike|don['’]t like|can['’]t stand|annoy\w*|bugs?|"
        r"bothers?|irritat\w*|drives? me|sick of|fed up with|tired of|not a fan "
        r"of) (?:it |me |that )*(?:when you|how you|you\b|\w+ing)",
        "like_you": r"\b(?:like|love|prefer|appreciate|helps?|enjoy)(?: me)?(?: a lot)? ?(?:it "
        r")?(?:when|if|how) you\b",
        "you_keep": r"\byou (?:keep|always|constantly|often|never)\b",
        "remember": r"\b(?:remember|keep in mind|bear in mind|note that|make a note|take note|"
        r"don['’]t forget|just so you know|fyi|for your information|note for)\b",
        "i_am": r"\b(?:i['’]m|i am|we['’]re|we are)\b",
        "i_am_a": r"\b(?:i['’]m|i am) (?:also )?(?:a|an|the)\b",
        "i_am_ing": r"\b(?:i['’]m|i am|we['’]re|we are) (?:\w+ )?\w+ing\b",
        "i_have": r"\b(?:i['’]ve|i have|we have|i['’]ve got|i suffer from)\b",
        "i_do_not": r"\bi (?:don['’]t|do not|can['’]t|cannot|won['’]t)\b",
        "i_taste": r"\bi (?:\w+ ){0,2}(?:love|hate|like|dislike|prefer|enjoy|avoid|adore|"
        r"despise|detest|favou?r|refuse|tend to|value|insist|believe)\b",
        "i_habit": r"\bi (?:only|never|always|usually|mostly|mainly|generally|tend to|often|"
        r"rarely|normally|exclusively|strictly)\b",
        "not_fan": r"\b(?:not (?:a (?:big )?)?(?:fan of|into|keen on|comfortable with|"
        r"interested in)|allergic|intoleran\w*|vegan|vegetarian)\b",
        "my_name": r"\b(?:my name|name['’]?s|call me|address me|refer to me|known as|my "
        r"pronouns|calls me)\b",
        "my_default": r"\bmy (?:\w+ )?(?:preferred|favou?rite|go-to|usual|default|first choice)\b",
        "i_live": r"\bi (?:live|work|study|teach|speak|play|own|run|train|commute|rent|manage|"
        r"drive|use|code|do|train)\b",
        "as_a": r"\b(?:as|being|speaking as) (?:a|an)\b",
        "since": r"\b(?:since (?:19|20)\d\d|for (?:\w+ )?(?:years|decades)|all my life|my "
        r"whole life|since i was)\b",
        "so": r"\bso (?:please|keep|don['’]t|never|always|you|use|no|avoid|i need|only|skip|"
        r"assume|make|leave|that)\b",
        "please": r"\bplease\b",
        "question": r"\?\s*$",
        "exclaims": r"!\s*$",
        "not_imperative": r"^(?:(?:and|also|please|ok|oh|but|so|just)\W+)*(?:don['’]t|do not|"
        r"avoid|no|skip|leave out|without)\b",
        "short_or_long": r"\b(?:short|brief|concise|long|longer|shorter|detailed|to the point)\b",
        "makes": r"\b(?:make|rewrite|redo|change|add|remove|turn|convert|put|write|give|show|"
        r"find|book|fix|translate|summari[sz]e|explain|list|draft|recommend|suggest|"
        r"plan|describe) (?:me |us )?(?:it|this|that|the|a|an|some|another|one|two|"
        r"three|four|five|my)\b",
        "the_thing": r"\b(?:the|this|that) \w+",
        "plural_habit": r"\b(?:answers|replies|responses|recipes|emails|explanations|"
        r"suggestions|recommendations|messages|sentences|paragraphs)\b",
        "condition": r"^(?:(?:and|also|please|ok|oh|but|so)\W+)*(?:when|whenever|if|for|any "
        r"?time|every time|each time|in|with|unless|in case)\b",
        "i_ask": r"\b(?:when|whenever|if|any ?time|every time|each time|in case|unless) (?:i|"
        r"we|you|you['’]re|i['’]m) (?:\w+ ){0,2}(?:ask\w*|want\w*|paste\w*|send\w*|"
        r"write|writing|say|looking|look|need\w*|talk\w*|give|giving|suggest\w*|"
        r"recommend\w*|explain\w*|summari\w*|draft\w*|request\w*|translat\w*|book\w*|"
        r"reply\w*|answer\w*)\b",
        "assume": r"\b(?:assume|by default|default to|stick to|treat me)\b",
        "you_should": r"\byou (?:should|must|have to|need to|may|don['’]t (?:need|have) to|"
        r"needn['’]t|can skip)\b",
        "time_now": r"\b(?:now|soon|later|yet|again|just|already|still|currently|until|by "
        r"(?:tonight|monday|friday|noon))\b",
        "looking_for": r"\b(?:looking for|trying to|going to|thinking (?:about|of)|planning|"
        r"wondering|about to|working on|writing|making|reading|watching)\b",
        "transient": r"\b(?:tired|hungry|late|busy|stuck|confused|sorry|lost|bored|sad|happy|"
        r"nervous|sick|curious|back|sure|glad|done|ready|afraid that|worried|fine|"
        r"ok|okay|free|stressed|excited|in a (?:hurry|rush))\b",
    }.items()
}
CUE_NAMES = (
    *("durable", "one_off", "hypothetical", "past", "others", "reported", "asks", "reply_habit"),
    *("creative", "asks_with_you", "listed", "heads_list"),
    *_CUES,
    *("first", "alone", "one_of_two", "after_request", "before_question", "short", "long"),
)
_REQUEST = re.compile(
    r"^\W*(?:(?:and|also|please|ok|okay|hi|hey|hello|now|then)\b\W*)*(?:(?:can|could|would|"
    r"will) you (?:please )?(?!always|stop|never)|i need you to |i['’]d like |i want |help me "
    r")?"
    r"(?:write|make|rewrite|redo|give|show|find|book|fix|translate|summari[sz]e|explain|list|"
    r"draft|recommend|suggest|plan|describe|tell|compare|create|compose|name|"
    r"design|answer|generate|help|a|an|another|what|how|who|why|where|which|is|are|do|does)\b",
    re.IGNORECASE,
)


def cues_of(
    text: str, *, first: bool, before: tuple[str, ...], after: tuple[str, ...], heads_list: bool
) -> dict[str, bool]:
    """Return each cue of `CUE_NAMES` for a normalised sentence and its neighbours."""
    asks = bool(ASKS.search(text))
    found = {
        "durable": bool(DURABLE.search(text)),
        "one_off": bool(ONE_OFF.search(text)),
        "hypothetical": bool(HYPOTHETICAL.search(text)),
        "past": bool(PAST.search(text)),
        "others": bool((start := OTHERS.match(text)) and REPORTED.search(text, start.end())),
        "reported": bool(REPORTED.search(text)),
        "asks": asks,
        "reply_habit": bool(REPLY_HABIT.search(text)),
        "creative": any(CREATIVE.search(each) for each in (*before, text)),
        "asks_with_you": asks and bool(re.search(r"\byou\b", text, re.IGNORECASE)),
        "listed": any(DURABLE.search(each) and len(each.split()) <= 12 for each in before),
        "heads_list": heads_list,
        "first": first,
        "alone": not before and not after,
        "one_of_two": len(before) + len(after) == 1,
        "after_request": any(_REQUEST.match(each) for each in before),
        "before_question": any(each.rstrip().endswith("?") for each in after),
        "short": len(text.split()) <= 4,
        "long": len(text.split()) >= 18,
    }
    found.update((name, bool(pattern.search(text))) for name, pattern in _CUES.items())
    return found
