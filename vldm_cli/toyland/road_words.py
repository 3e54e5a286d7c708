"""The English of Toyland's roads, as `words` has that of its objects. Data only."""

TIME_WORDS = {
    "day": ("by day", "in daylight", "on a sunny day", "during the day"),
    "sunset": ("at sunset", "at dusk", "in the evening"),
    "night": ("at night", "by night", "in the dark"),
}
TRAFFIC_ROADS = {
    "empty": (
        "an empty road",
        "a road without cars",
        "an empty street",
        "a lonely road",
        "a road with no traffic",
    ),
    "light": (
        "a road with light traffic",
        "a road with a few cars",
        "a road with little traffic",
        "a street with some cars",
    ),
    "heavy": (
        "a busy road",
        "a road with heavy traffic",
        "a road with many cars",
        "a street full of cars",
        "a crowded road",
    ),
}
ROADS = ("a road", "the road", "a street", "a highway", "a country road")
ROADSIDE_WORDS = {
    "trees": (
        "past trees",
        "through a forest",
        "with trees beside the road",
        "between green trees",
        "along trees",
    ),
    "houses": (
        "past houses",
        "through a town",
        "with houses beside the road",
        "through a village",
        "between houses",
    ),
    "cacti": (
        "past cacti",
        "through the desert",
        "with cacti beside the road",
        "between cacti",
        "past a cactus",
    ),
}
WEATHER_WORDS = {
    "clear": ("in clear weather", "in clear air"),
    "foggy": ("in fog", "in the fog", "in foggy weather", "in thick fog", "in the mist"),
}
COURSE_WORDS = {
    "straight": ("the road is straight", "straight ahead", "the road goes straight on"),
    "bending left": (
        "the road bends left",
        "the road bends to the left",
        "the road curves left",
        "turning left",
    ),
    "bending right": (
        "the road bends right",
        "the road bends to the right",
        "the road curves right",
        "turning right",
    ),
    "overtaking": ("overtaking other cars", "overtaking a car", "passing slower cars", "we overtake a car"),
}
DRIVE_VERBS = (
    "driving on",
    "driving along",
    "driving down",
    "a car drives on",
    "a drive along",
    "we drive along",
    "drive on",
)
