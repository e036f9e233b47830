"""Patterns of English that tell what an instruction denies, when it holds, and how it asks."""

from __future__ import annotations

import re

from persona_engine.instructions.relations.words import FILLERS

WORD = re.compile(
    r"[^\W_]+(?:[.'’/:+#_&@-]*[^\W_]+)*(?:\+\+|#|%|°)?|[$€£¥]|[^\w\s.,;:!?\"'“”‘’()\[\]…-]"
)
# Said with a denying word, but denying nothing: limits, permissions, reminders.
HARMLESS = re.compile(
    r"\b(?:no|not) (?:more|fewer|less|later|earlier|longer) than\b|\bnot only\b|\bnot just\b"
    r"|\b(?:don'?t|do not|doesn'?t|not|never) forget\b|\bno matter\b|\bnever ?mind\b"
    r"|\b(?:don'?t|do not|wouldn'?t|not) mind\b|\bno problem\b|\bnothing against\b"
    r"|\b(?:don'?t|do not|shouldn'?t|should not|never|not) (?:exceed|go over|go beyond)\b"
    r"|\bnothing (?:over|beats|longer|under)\b|\bnot sure\b|\bif not\b|\bwhy not\b"
    r"|\bno sooner\b|\bunsure\b"
)
DENIAL = re.compile(
    r"\bno longer\b|\bno more\b|\b(?:gave|give|given|giving) up(?: on)?\b|\bgot rid of\b"
    r"|\b(?:keep|stay|steer|keep me) (?:away from|clear of|off)\b|\bcan'?t stand\b"
    r"|\bcannot stand\b"
    r"|\bfed up with\b|\b(?:sick|tired|bored) of\b|\brather not\b|\bdo without\b"
    r"|\bno need (?:for|to)\b"
    r"|\b(?:don'?t|do not|doesn'?t|needn'?t) (?:need|have to)(?: to)?\b|\blost interest in\b"
    r"|\bout of my\b|\boutgrew\b|\b(?:leave|leaving|keep) out\b|\bgone off\b"
    r"|\bnot interested in\b|\bnot (?:a fan of|into|keen on)\b|\bno interest in\b"
    r"|\b(?:isn'?t|aren'?t)\b"
    r"|\b(?:do|does|did|would|should|could|must|need|have|has|is|are|am|was|were|wo|ca|can)n'?t\b"
    r"|\bnot\b|\bnever\b|\bno\b|\bnone\b|\bnothing\b|\bnobody\b|\bcannot\b|\bneither\b|\bnor\b"
    r"|\bdont\b|\bcant\b|\bdoesnt\b|\bwont\b|\bwithout\b|\bavoid(?:s|ed|ing)?\b"
    r"|\bstop(?:s|ped)?\b|\bquit(?:s|ted)?\b|\bskip(?:s|ped)?\b|\bomit\b|\bdrop(?:ped)?\b"
    r"|\brefrain(?: from)?\b|\bhates?\b|\bhated\b|\bdislikes?\b|\bdetest\b|\bloathe\b|\bditch\b"
    r"|\bremoved?\b|\bexclude\b|\brefuse(?: to)?\b|\bboycott\b|\bspare me\b|\bcancelled\b"
    r"|\bforget\b|\bignore\b|\bscrap\b|\bdisregard\b|\bundo\b|\bdeleted\b|\bsold\b"
    r"|\bcut (?:out|the)\b"
    r"|\bban(?:ned)?\b|\bforbid(?:den)?\b|\bless\b|\bleave off\b|\bcured\b|\brecovered from\b"
    r"|\bused to\b|\bunnecessary\b|\bbores me\b"
)
LEAVE_OUT = re.compile(
    r"\bleav(?:e|ing)\b(.+?)\b(?:out|off|away)\b|\bkeep\b(.+?)\b(?:out of|off|away)\b"
)
REJECTED = re.compile(
    r"(?:,\s*not\b|\brather than\b|\binstead of\b|\bas opposed to\b|\bover\b(?=.*$)"
    r"|\bnot\b(?= \w+ but\b)"
    r"|\bin place of\b|\band not\b)\s*(?P<rest>[^,.;]+)"
)
PREFERS = re.compile(r"\b(?:prefer\w*|rather|better|like \w+ better|choose|pick)\b")
PREFER_TO = re.compile(r"\bprefer\b(?P<kept>.+?)\bto\b(?P<rest>[^,.;]+)")
LEADING = re.compile(
    r"^(?P<condition>(?:if|when|whenever|while|unless|once|every time|each time|any time"
    r"|anytime|as soon as|"
    r"wherever|where|for|in|on|at|during|with|before|after|as long as"
    r"|under)\b[^,]*?),\s*(?:then\s+)?(?P<body>.+)$"
)
TRAILING = re.compile(
    r"^(?P<body>.+?),?\s+(?<!\bas )(?P<condition>(?:if|when|whenever|unless|while"
    r"|every time|each time|any time|"
    r"as long as|wherever|in case)\s.+)$"
)
CONTEXT = re.compile(
    r"^(?P<body>.+)\s(?P<condition>(?:for|in|on|at|during|with|to)\s+(?:(?:my|the|all|any"
    r"|your|our|long|short|"
    r"work|business|private|personal|formal|every)\s+)*(?P<noun>[\w+#-]+))$"
)
VACUOUS = FILLERS | frozenset(
    [
        "talk",
        "talking",
        "speak",
        "speaking",
        "address",
        "addressing",
        "possible",
        "makes",
        "make",
        "sense",
        "fit",
        "fits",
        "helpful",
        "asked",
        "ask",
        "asking",
        "question",
        "questions",
        "chat",
        "chats",
        "conversation",
        "conversations",
        "text",
        "texts",
        "appropriate",
        "applicable",
        "time",
        "times",
        "refer",
        "referring",
        "about",
        "mention",
        "mentioning",
        "call",
        "comes",
        "come",
        "applies",
        "discuss",
        "discussing",
        "help",
        "helping",
        "said",
        "say",
        "tell",
        "telling",
        "relevant",
        "needed",
        "necessary",
        "useful",
        "future",
        "everything",
        "anything",
        "output",
        "message",
        "messages",
        "explain",
        "explaining",
        "talking",
        "information",
    ]
)
ASKING = re.compile(
    r"^(?:(?:please|kindly|just|always|also|and|so|but|hey|hi|ok|okay|actually"
    r"|remember(?: that)?|note(?: that)?|"
    r"from now on|by the way|btw|in (?:the )?future|going forward|as of (?:now|today)"
    r"|for the record|"
    r"i changed my mind|change of plans?|correction|update|instead|never ?mind|fyi|"
    r"i(?: would|'d) (?:really )?(?:like|love|prefer|rather"
    r"|appreciate)(?: it)?(?: if)?(?: you)?(?: to| have| that)?|"
    r"i (?:want|need|expect|wish|ask)(?: you)?(?: to)?|could you|can you|would you|will you"
    r"|you (?:can|may|should|must)|"
    r"feel free to|make sure(?: to| that| you)?|be sure to|try to|do|let's|let us|"
    r"you don't have to|it's (?:fine|ok|okay) to|i(?:'m| am) (?:fine|ok|okay|happy) with"
    r"|i mind|mind|"
    r"switch to|change to|go back to|start|keep|use|using|include|add|write|give me|give"
    r"|show me|show|"
    r"provide|put|make|get|have|answer|reply|respond|tell me|i (?:really )?(?:like|love"
    r"|enjoy|prefer|use)|be)\b[\s,:]*)+"
)
ENDING = re.compile(
    r"[\s,]*\b(?:please|thanks|thank you|from now on|anymore|any more|any longer|again|now"
    r"|instead|too|as well|"
    r"after all|in (?:the )?future|these days|already|at all|for me|to me|ok|okay|"
    r"(?:is|are) (?:fine|ok|okay|welcome|allowed|alright|all right)(?: with me| by me| for me)?|"
    r"in (?:your|the|my|all) (?:answers?|repl(?:y|ies)|responses?|texts?|output)"
    r"|when(?:ever)? you (?:answer|reply|respond|write|talk to me|talk))"
    r"[.!\s]*$"
)
