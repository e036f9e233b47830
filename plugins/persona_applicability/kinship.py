"""Which topics matter to which services and to one another: pairs that are left unlabelled."""

from __future__ import annotations

_KIN: dict[str, tuple[str, ...]] = {
    "eating while abroad": ("Restaurants", "Bars", "Attractions"),
    "diet at home": ("Restaurants", "Recipes", "Groceries", "Wine", "Bars", "Gifts"),
    "days out on a trip": ("Attractions", "Concerts", "Cruises", "Hotels", "Campsites"),
    "where to stay": ("Hotels", "HolidayFlats", "Campsites", "Apartments", "Attractions"),
    "getting around": ("Flights", "Trains", "Buses", "Taxis", "CarHire", "Cruises", "Attractions"),
    "films and series": ("Movies", "Streaming", "Concerts"),
    "reading and music": ("Books", "Music", "Podcasts", "Concerts", "Gifts"),
    "games and play": ("Games", "Phones", "Laptops", "Gifts"),
    "fashion": ("Clothes", "Shoes", "Gifts", "Photographers"),
    "beauty and care": ("Salon", "Spas", "Pharmacies", "Doctor"),
    "fitness": ("Gyms", "Spas", "Doctor", "Courses"),
    "pets": ("Vets", "PetFood"),
    "cars and bikes": ("CarHire", "Mechanics", "Insurance", "Taxis"),
    "ways of learning": ("Courses", "Tutors", "Books"),
    "working life": ("Jobs", "Meetings", "Courses"),
    "gadgets and software": ("Phones", "Laptops", "Repairs"),
    "house and garden": ("Furniture", "Gardeners", "Cleaners", "Flowers", "Apartments", "Repairs"),
    "health": ("Doctor", "Pharmacies", "Dentist", "Gyms", "Spas", "Vets", "Bars", "Recipes"),
    "watching and doing sports": ("Gyms", "Concerts", "News"),
    "money": ("Banks", "Insurance"),
    "children": ("Babysitters", "Gifts", "Tutors", "Games"),
    "celebrations and gifts": ("Gifts", "Flowers", "Photographers", "Bars", "Restaurants", "Wine"),
    "hobbies and crafts": ("Courses", "Photographers", "Games", "Concerts"),
    "people and getting on": ("Lawyers", "Meetings", "Reminders"),
    "shopping and the planet": ("Clothes", "Shoes", "Groceries", "Gifts", "Furniture", "Laptops"),
    "beliefs and language": ("News", "Books", "Meetings", "Concerts", "Movies", "Photographers"),
    "programming and office work": ("Laptops",),
    "growing and nature": ("Gardeners", "Flowers", "Attractions", "Campsites"),
}
_NEAR_TOPICS = (
    {"eating while abroad", "diet at home", "health", "celebrations and gifts"},
    {
        "days out on a trip",
        "where to stay",
        "getting around",
        "cars and bikes",
        "growing and nature",
    },
    {"eating while abroad", "days out on a trip", "where to stay"},
    {"fitness", "watching and doing sports", "health", "hobbies and crafts", "days out on a trip"},
    {"house and garden", "growing and nature", "shopping and the planet"},
    {"fashion", "beauty and care", "shopping and the planet", "celebrations and gifts"},
    {"films and series", "games and play", "reading and music", "beliefs and language"},
    {"ways of learning", "hobbies and crafts", "working life", "programming and office work"},
    {"gadgets and software", "programming and office work", "shopping and the planet", "children"},
    {"children", "games and play", "celebrations and gifts", "people and getting on"},
    {"money", "shopping and the planet", "cars and bikes", "celebrations and gifts"},
    {"getting around", "money", "working life", "beliefs and language", "days out on a trip"},
)


_LIKE: dict[str, tuple[str, ...]] = {
    "planning holidays": ("days out on a trip", "where to stay", "getting around"),
    "cooking and kitchens": ("diet at home",),
    "drinks": ("diet at home", "eating while abroad", "celebrations and gifts"),
    "films and shows: what people can't watch": ("films and series",),
    "books": ("reading and music",),
    "music": ("reading and music",),
    "podcasts and news": ("reading and music", "films and series"),
    "games: what people can't play": ("games and play",),
    "watching sports": ("watching and doing sports",),
    "doing sports": ("watching and doing sports", "fitness"),
    "workouts: what people won't do": ("fitness",),
    "health and sleep": ("health", "fitness"),
    "jewellery, bags and shoes": ("fashion",),
    "clothes for occasions": ("fashion",),
    "hair and tattoos": ("beauty and care", "fashion"),
    "creams and make-up: what people won't use": ("beauty and care",),
    "cats, dogs and what they need": ("pets",),
    "cars: what people want of them": ("cars and bikes",),
    "gadgets": ("gadgets and software",),
    "software and data": ("gadgets and software", "programming and office work"),
    "furniture and rooms": ("house and garden",),
    "cleaning and repairs": ("house and garden", "health"),
    "garden": ("house and garden", "growing and nature"),
    "homes and moving": ("house and garden", "money", "getting around"),
    "homes abroad and settling": ("house and garden", "working life"),
    "meetings and teamwork": ("working life",),
    "working from home": ("working life", "house and garden"),
    "business trips": ("working life", "where to stay", "getting around"),
    "study material and schools": ("ways of learning", "children"),
    "languages": ("ways of learning",),
    "learning: what doesn't work for people": ("ways of learning",),
    "photography and art": ("hobbies and crafts", "days out on a trip"),
    "theatre, concerts and nights out": ("reading and music", "films and series"),
    "presents": ("celebrations and gifts",),
    "celebrations and weddings": ("celebrations and gifts", "people and getting on"),
    "small children": ("children", "health"),
    "teenagers and school": ("children", "ways of learning"),
    "love and dating": ("people and getting on", "celebrations and gifts"),
    "family and friends": ("people and getting on", "celebrations and gifts"),
    "shopping": ("shopping and the planet", "fashion", "house and garden"),
    "climate and community": ("shopping and the planet", "money", "diet at home"),
    "belief and politics": ("beliefs and language", "health", "days out on a trip"),
    "programming": ("programming and office work",),
    "data and office work": ("programming and office work", "working life"),
    "writing": ("programming and office work", "beliefs and language"),
    "hiking and the outdoors": ("days out on a trip", "growing and nature", "fitness"),
    "winter and water sports": ("watching and doing sports", "days out on a trip"),
    "food shopping": ("diet at home", "shopping and the planet"),
    "vegetarian and other ways of eating": ("diet at home", "eating while abroad", "fitness"),
    "weight and looks": ("fitness", "health", "beauty and care", "diet at home"),
    "stress and feelings": ("health", "people and getting on"),
    "teeth, eyes and ears": ("health", "beauty and care"),
    "flights and airports": ("getting around",),
    "baby and household shopping": ("house and garden", "children"),
    "television and sound": ("gadgets and software", "films and series"),
    "restaurants at home": ("eating while abroad", "diet at home"),
    "cafés and sweets": ("eating while abroad", "diet at home"),
    "islands, beaches and the sea": ("days out on a trip", "where to stay"),
    "cities and sights": ("days out on a trip",),
}


def closely_related(one: str, other: str) -> bool:
    """Return whether two domains are so near that a wish about one may matter to the other."""
    return is_related(one, other) or is_kin({one}, other) or is_kin({other}, one)


def is_kin(services: set[str], topic: str) -> bool:
    """Return whether a taste of this topic may matter to a request for one of the services."""
    return bool(services & set(_KIN.get(topic, ())))


def roots(topic: str) -> set[str]:
    """Return the topics that one is like; of most, itself."""
    return set(_LIKE.get(topic, (topic,)))


def is_related(one: str, other: str) -> bool:
    """Return whether a taste of one topic may matter to a request about the other."""
    ones, others = roots(one), roots(other)
    return (
        one == other
        or bool(ones & others)
        or any(ones & group and others & group for group in _NEAR_TOPICS)
    )
