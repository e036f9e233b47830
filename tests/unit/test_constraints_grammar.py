"""Natural wordings compile to what they say, and nothing else compiles."""

from __future__ import annotations

import time

import pytest

from persona_constraints import compile_instruction
from persona_constraints.amounts import Count, Each, Letter, Mentions
from persona_constraints.bounds import NONE, SOME, Bounds, exactly
from persona_constraints.shape import (
    Case,
    Closes,
    InLanguage,
    Json,
    OneOf,
    Opens,
    Postscript,
    Quoted,
    RepeatsRequest,
    Spelling,
)


def count(unit: str, least: int = 0, most: int | None = None) -> tuple[Count, ...]:
    return (Count(unit, Bounds(least, most)),)


def absent(*units: str) -> tuple[Count, ...]:
    return tuple(Count(unit, NONE) for unit in units)


def wanted(unit: str) -> tuple[Count, ...]:
    return (Count(unit, SOME),)


NO_EMOJI = absent("emoji", "emoticons")
SAYS = {
    # length
    "Never use more than three sentences.": count("sentences", most=3),
    "keep answers under 50 words": count("words", most=49),
    "Please keep your replies to two sentences max.": count("sentences", most=2),
    "I want answers of at most 100 words.": count("words", most=100),
    "Use between 50 and 100 words.": count("words", 50, 100),
    "Answer in 50 to 100 words": count("words", 50, 100),
    "Answer in one sentence.": count("sentences", 1, 1),
    "A sentence or two, please.": count("sentences", 1, 2),
    "Answer in a single word.": count("words", 1, 1),
    "Be brief: 2-3 sentences.": count("sentences", 2, 3),
    "No more than 280 characters.": count("characters", most=280),
    "Stay under 280 characters": count("characters", most=279),
    "Use at least 3 paragraphs": count("paragraphs", least=3),
    "Your answers should not be longer than four sentences": count("sentences", most=4),
    "Responses must not exceed 150 words": count("words", most=150),
    "Use no fewer than two hundred words": count("words", least=200),
    "word limit: 80": count("words", most=80),
    "There's a 200-word limit.": count("words", most=200),
    "Keep it to a paragraph.": count("paragraphs", most=1),
    "Write 300+ words": count("words", least=300),
    "Write 300 or more words": count("words", least=300),
    "One line only.": count("lines", 1, 1),
    "Reply on a single line.": count("lines", 1, 1),
    "Up to five bullet points": count("bullet points", most=5),
    "Exactly five bullets, please.": count("bullet points", 5, 5),
    "Give me a dozen bullet points": count("bullet points", 12, 12),
    "At most one exclamation mark per reply": count("exclamation marks", most=1),
    "Use no more than two emojis.": count("emoji", most=2),
    "One-sentence answers only": count("sentences", 1, 1),
    "At minimum, write 3 paragraphs.": count("paragraphs", least=3),
    "I'd prefer you kept it below 60 words": count("words", most=59),
    # length of parts
    "Keep sentences under 15 words.": (Each("sentence", "words", Bounds(most=14)),),
    "No sentence longer than 20 words.": (Each("sentence", "words", Bounds(most=20)),),
    "No more than two sentences per paragraph": (Each("paragraph", "sentences", Bounds(most=2)),),
    "3 bullet points, max 12 words each": (
        Count("bullet points", exactly(3)),
        Each("bullet point", "words", Bounds(most=12)),
    ),
    # signs and elements
    "don't use emojis": NO_EMOJI,
    "I don't like emojis": NO_EMOJI,
    "I can't stand emojis": NO_EMOJI,
    "emoji-free please": NO_EMOJI,
    "I find emojis annoying": NO_EMOJI,
    "I'd rather not see emojis": NO_EMOJI,
    "No formatting, just plain text.": absent("marks of markdown"),
    "Include a code block and no more than 2 sentences": (
        *count("sentences", most=2),
        *wanted("code blocks"),
    ),
    "Emojis are not allowed": NO_EMOJI,
    "Please use emojis in every message": wanted("emoji"),
    "Don't use bullet points, tables or headings": absent("bullet points", "tables", "headings"),
    "Bullet points are forbidden": absent("bullet points"),
    "Use numbered lists": wanted("numbered items"),
    "Always answer in bullet points": wanted("bullet points"),
    "Put it in a table": wanted("tables"),
    "No markdown.": absent("marks of markdown"),
    "Plain text only.": absent("marks of markdown"),
    "Do not use italics or bold": absent("italic parts", "bold parts"),
    "Include a code block in every answer": wanted("code blocks"),
    "No exclamation marks!": absent("exclamation marks"),
    "Don't ask me questions": absent("question marks"),
    "Avoid commas entirely": absent("commas"),
    "Don't use em dashes.": absent("em dashes"),
    "No contractions": absent("contractions"),
    "Avoid the first person.": absent("words of the first person"),
    "Write in the second person": wanted("words of the second person"),
    "Use metric units only": absent("imperial amounts"),
    "Use 24-hour time": absent("12-hour times"),
    # words
    'Don\'t mention the word "delve".': (Mentions(("delve",), NONE, whole=True),),
    "Avoid the words 'leverage', 'synergy' and 'utilize'.": (
        Mentions(("leverage", "synergy", "utilize"), NONE, whole=True),
    ),
    "Never mention Kevin.": (Mentions(("Kevin",), NONE, whole=True),),
    'Always mention "Acme Corp".': (Mentions(("Acme Corp",), SOME),),
    'Mention the word "ocean" at least three times': (Mentions(("ocean",), Bounds(3)),),
    'Use "sorry" at most twice': (Mentions(("sorry",), Bounds(most=2)),),
    'Use the word "please" at least once': (Mentions(("please",), Bounds(1)),),
    'Never refer to me as "dude"': (Mentions(("dude",), NONE, whole=True),),
    "Don't mention my ex-wife Laura": (Mentions(("Laura",), NONE, whole=True),),
    'The word "tea" must appear in every reply': (Mentions(("tea",), SOME),),
    'Do not use the letter "e"': (Letter("e", NONE),),
    'Say "folks" instead of "guys"': (
        Mentions(("folks",), SOME),
        Mentions(("guys",), NONE, whole=True),
    ),
    # beginnings and endings
    'Start every reply with "Ahoy"': (Opens("Ahoy"),),
    "always finish with 'Cheers'": (Closes("Cheers"),),
    "Sign off with Best wishes": (Closes("Best wishes"),),
    'Never start your replies with "Sure" or "Certainly".': (
        Opens("Sure", wanted=False),
        Opens("Certainly", wanted=False),
    ),
    "End every message with a question.": (Closes("?"),),
    "End every reply with a follow-up question": (Closes("?"),),
    "Don't end with a question": (Closes("?", wanted=False),),
    "Add a postscript beginning with P.S.": (Postscript("P.S."),),
    # language, spelling, case
    "Reply in French please": (InLanguage("fr"),),
    "From now on, speak Spanish to me": (InLanguage("es"),),
    "English only": (InLanguage("en"),),
    "Antworte bitte auf Deutsch": (InLanguage("de"),),
    "Réponds toujours en français": (InLanguage("fr"),),
    "Responde siempre en español": (InLanguage("es"),),
    "Use British spelling.": (Spelling("British"),),
    "Use American English": (Spelling("American"),),
    "Write everything in lowercase": (Case("lower"),),
    "Don't use capital letters": (Case("lower"),),
    "All caps only": (Case("upper"),),
    "Never write in all caps.": (Case("upper", wanted=False),),
    # the whole
    "Reply only in JSON": (Json(),),
    "Format output as JSON": (Json(),),
    "All your outputs must be valid JSON": (Json(),),
    "Only answer with yes or no": (OneOf(("yes", "no"), only=True),),
    "Wrap your entire response with double quotation marks.": (Quoted(),),
    "Repeat my question word for word before you answer": (RepeatsRequest(),),
    # several parts; what cannot be checked is left to others
    "Be warm, and use at most 3 sentences": count("sentences", most=3),
    "I prefer replies with no more than 3 sentences and no emojis": (
        *count("sentences", most=3),
        *NO_EMOJI,
    ),
    # conditions are another's question
    "If I ask for recipes, use bullets": wanted("bullet points"),
    "When I ask for code, reply in at most 5 lines": count("lines", most=5),
    "No tables unless I ask for one": absent("tables"),
    "Use at most 40 words when I'm driving": count("words", most=40),
    "I'm a busy person, so answer in one sentence.": count("sentences", 1, 1),
    "For emails, no more than 120 words.": count("words", most=120),
}
SAYS_NOTHING = """
I read 3 books a week
Keep it short
Be friendly
I write 500 words a day
I type 80 words per minute
I'm learning French
I speak Spanish and German
My essay is 3 paragraphs
Recommend French restaurants
Book hotels with at least 4 stars
I need at least 8 hours of sleep
Only suggest flights under 200 dollars
Use fewer emojis
Don't use too many bullet points
Use emojis sparingly
A few bullet points are fine
You may use tables
About 100 words
Around three paragraphs
Answer in 100 words
Explain French idioms
Translate my texts into French
Play songs in Spanish
I'm vegan, no meat in recipes
Never book more than two nights
Prefer direct flights with no more than one stop
Write code comments in English
Passwords must be at least 12 characters
Essay titles should have at most 5 words
No questions about my health
No tables near the kitchen at restaurants
I want a table by the window
My favourite letter is e
Give me recipes with at most five ingredients
Call me Sam
Use short sentences
Don't mention politics
Suggest songs with no lyrics
Start with a summary
End with a conclusion
I hate long answers
Use UK stores
Use the link I sent you
I use lower case in my code
Help me learn JSON
Summarise papers on JSON parsing
Use lists when listing
My daughter reads two pages a night
I have three questions every morning
No emojis in code comments
Use the name Taylor when you book a table
The acclaimed musical "Six" is in town
Don't use "sorry" in subject headings for Bob
Start your answer with the word "Yes" or "No"
No emojis except in greetings
""".strip().splitlines()


@pytest.mark.parametrize("text", SAYS)
def test_it_compiles_to_what_it_says(text: str) -> None:
    assert compile_instruction(text) == SAYS[text]


@pytest.mark.parametrize("text", SAYS_NOTHING)
def test_what_says_nothing_checkable_compiles_to_nothing(text: str) -> None:
    assert compile_instruction(text) == ()


@pytest.mark.parametrize("text", ["", " ", "?", '"', "no", "⟦0⟧", "word " * 5000, "3", "(" * 50])
def test_strange_texts_are_survived(text: str) -> None:
    assert compile_instruction(text) == ()


@pytest.mark.parametrize(
    "part",
    [
        *("no emojis, ", "no ", "use ", "3 paragraphs ", "at most ", "the words ", "start with "),
        *("a, ", "(", "repeat my request ", "highlight 3 ", "answer with ", "one hundred and "),
        '"a" ',
    ],
)
def test_long_texts_take_no_time(part: str) -> None:
    start = time.process_time()
    compile_instruction((part * 2000)[:2000])
    assert time.process_time() - start < 1.0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("At most 3 sentences.", "at most three sentences"),
        ("No emoji!", "Please don’t use any emojis."),
        ("Reply in German.", "I'd like you to answer in German, please."),
        ("Start with “Hi”.", "Begin every reply with 'Hi'"),
    ],
)
def test_other_wordings_say_the_same(one: str, other: str) -> None:
    assert compile_instruction(one) == compile_instruction(other) != ()
