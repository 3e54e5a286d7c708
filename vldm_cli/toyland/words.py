"""The English of Toyland: for every attribute the phrases that name it. Data only; `captions` puts them together."""

# Adjectives and nouns. The first of each is the attribute's own name.
COLOUR_WORDS = {
    "red": ("red", "crimson", "scarlet"),
    "orange": ("orange", "tangerine"),
    "yellow": ("yellow", "golden", "lemon"),
    "green": ("green", "emerald"),
    "blue": ("blue", "azure"),
    "purple": ("purple", "violet"),
    "pink": ("pink", "rose"),
    "white": ("white", "ivory"),
    "black": ("black", "ebony"),
    "brown": ("brown", "chocolate"),
}
SHAPE_WORDS = {
    "ball": ("ball", "sphere", "globe"),
    "cube": ("cube", "box", "block"),
    "cylinder": ("cylinder", "barrel", "drum"),
    "cone": ("cone",),
    "pyramid": ("pyramid",),
    "ring": ("ring", "hoop", "donut"),
}
MATERIAL_WORDS = {
    "matte": ("matte", "plain", "dull"),
    "shiny": ("shiny", "glossy", "polished", "metal"),
    "striped": ("striped", "banded"),
    "checkered": ("checkered", "chequered", "checked"),
}
SIZE_WORDS = {"small": ("small", "little", "tiny"), "large": ("large", "big", "huge")}
RELATION_WORDS = {
    "left of": ("left of", "to the left of", "on the left of"),
    "right of": ("right of", "to the right of", "on the right of"),
    "behind": ("behind", "in back of"),
    "in front of": ("in front of", "before"),
}
# Where the scene plays, after a clause: "a ball bounces ___".
GROUND_PLACES = {
    "grass": ("on grass", "on green grass", "on the grass", "on a lawn", "in a meadow", "on a green field"),
    "sand": ("on sand", "on yellow sand", "on the beach", "in the desert", "on the sand"),
    "snow": ("on snow", "on white snow", "in the snow", "on snowy ground"),
    "water": ("on water", "on blue water", "on the water", "on a lake", "on the sea"),
    "stone": ("on stone", "on grey stone", "on a stone floor", "on gray stone", "on a pavement"),
    "wooden floor": (
        "on a wooden floor",
        "on wood",
        "on wooden planks",
        "on a wood floor",
        "on a brown wooden floor",
    ),
    "checkered floor": (
        "on a checkered floor",
        "on a chessboard",
        "on a chequered floor",
        "on black and white tiles",
    ),
}
SKY_PLACES = {
    "day": (
        "by day",
        "in daylight",
        "on a sunny day",
        "under a blue sky",
        "in the sunshine",
        "during the day",
    ),
    "sunset": ("at sunset", "at dusk", "in the evening", "under an orange sky", "in the evening light"),
    "night": ("at night", "by night", "in the dark", "under a night sky", "in the moonlight"),
    "overcast": (
        "under an overcast sky",
        "on a cloudy day",
        "under a grey sky",
        "under a gray sky",
        "in cloudy weather",
    ),
}
# Verbs: (third person, -ing form, plural). {b} is the other object.
MOTION_WORDS = {
    "stands still": (
        ("stands still", "standing still", "stand still"),
        ("stands", "standing", "stand"),
        ("rests", "resting", "rest"),
        ("does not move", "not moving", "do not move"),
        ("lies still", "lying still", "lie still"),
    ),
    "bounces": (
        ("bounces", "bouncing", "bounce"),
        ("bounces up and down", "bouncing up and down", "bounce up and down"),
    ),
    "rolls left": (
        ("rolls left", "rolling left", "roll left"),
        ("rolls to the left", "rolling to the left", "roll to the left"),
    ),
    "rolls right": (
        ("rolls right", "rolling right", "roll right"),
        ("rolls to the right", "rolling to the right", "roll to the right"),
    ),
    "slides left": (
        ("slides left", "sliding left", "slide left"),
        ("slides to the left", "sliding to the left", "slide to the left"),
        ("glides left", "gliding left", "glide left"),
    ),
    "slides right": (
        ("slides right", "sliding right", "slide right"),
        ("slides to the right", "sliding to the right", "slide to the right"),
        ("glides right", "gliding right", "glide right"),
    ),
    "spins": (
        ("spins", "spinning", "spin"),
        ("rotates", "rotating", "rotate"),
        ("turns around", "turning around", "turn around"),
        ("spins around", "spinning around", "spin around"),
    ),
    "falls": (
        ("falls", "falling", "fall"),
        ("falls down", "falling down", "fall down"),
        ("drops to the ground", "dropping to the ground", "drop to the ground"),
        ("falls from the sky", "falling from the sky", "fall from the sky"),
    ),
    "rises": (
        ("rises", "rising", "rise"),
        ("rises into the air", "rising into the air", "rise into the air"),
        ("floats up", "floating up", "float up"),
        ("lifts off", "lifting off", "lift off"),
    ),
    "jumps": (
        ("jumps", "jumping", "jump"),
        ("jumps up and down", "jumping up and down", "jump up and down"),
        ("hops", "hopping", "hop"),
        ("leaps", "leaping", "leap"),
    ),
    "orbits": (
        ("orbits {b}", "orbiting {b}", "orbit {b}"),
        ("circles {b}", "circling {b}", "circle {b}"),
        ("moves around {b}", "moving around {b}", "move around {b}"),
        ("circles around {b}", "circling around {b}", "circle around {b}"),
    ),
    "grows": (
        ("grows", "growing", "grow"),
        ("gets bigger", "getting bigger", "get bigger"),
        ("grows larger", "growing larger", "grow larger"),
    ),
    "shrinks": (
        ("shrinks", "shrinking", "shrink"),
        ("gets smaller", "getting smaller", "get smaller"),
        ("becomes smaller", "becoming smaller", "become smaller"),
    ),
}
# Cameras: (clause, noun phrase).
CAMERA_WORDS = {
    "still": (("the camera is still", "still camera"), ("the camera does not move", "static camera")),
    "orbiting": (
        ("the camera orbits", "orbiting camera"),
        ("the camera circles around", "circling camera"),
        ("the camera moves around the scene", "camera moving around"),
    ),
    "zooming in": (
        ("the camera zooms in", "zooming in"),
        ("the camera moves closer", "camera zooming in"),
        ("the camera slowly zooms in", "slow zoom in"),
    ),
    "zooming out": (
        ("the camera zooms out", "zooming out"),
        ("the camera moves away", "camera zooming out"),
        ("the camera slowly zooms out", "slow zoom out"),
    ),
    "panning left": (
        ("the camera pans left", "panning left"),
        ("the camera pans to the left", "camera panning left"),
        ("the camera turns left", "pan to the left"),
    ),
    "panning right": (
        ("the camera pans right", "panning right"),
        ("the camera pans to the right", "camera panning right"),
        ("the camera turns right", "pan to the right"),
    ),
    "rising": (
        ("the camera rises", "rising camera"),
        ("the camera goes up", "camera rising"),
        ("the camera moves up", "camera moving up"),
    ),
}
OPENINGS = (
    "a video of", "video of", "a film of", "a shot of", "a clip of", "a scene with", "an animation of", "footage of",
    "we see", "there is",
)  # fmt: skip
# Harmless words that people type and captions may not hold.
EXTRA_WORDS = """
a an and are as at be big bright camera car cars clear close closer cold colorful colourful cool cute day dark dawn
down driver each every fast field floor for four from gently ground going high hot in into is it its large left
light like long looking lot low many middle moon morning move moves moving near next night nice no not object objects
of off on one only out outside over past people picture place playing quickly quiet quietly right round scene shadow
shape sky slow slowly small smoothly snow soft some something still sun sunlight sunny sunrise that the their them
then there they thing things this three through tiny to together toy toys tree trees truck two under up us vehicle
very video view walking warm was water weather we while wide wind winter with world young bounced rolled spinning
summer fog mist street streets house houses cactus cacti desert forest town village tall short gets get bigger
smaller grey gray cyan turquoise silver gold beige navy wooden grassy sandy snowy rocky rock rocks stones tiles tile
plank planks beach ocean sea lake river park garden room kitchen table
"""
