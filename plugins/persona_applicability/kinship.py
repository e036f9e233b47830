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


def closely_related(one: str, other: str) -> bool:
    """Return whether two domains are so near that a wish about one may matter to the other."""
    return is_related(one, other) or is_kin({one}, other) or is_kin({other}, one)


def is_kin(services: set[str], topic: str) -> bool:
    """Return whether a taste of this topic may matter to a request for one of the services."""
    return bool(services & set(_KIN.get(topic, ())))


def is_related(one: str, other: str) -> bool:
    """Return whether a taste of one topic may matter to a request about the other."""
    return one == other or any(one in group and other in group for group in _NEAR_TOPICS)
