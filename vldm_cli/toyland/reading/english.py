"""English that is not about Toyland: function words, wishes, and words that typing errors are not. Data only."""

# Words that say nothing of the scene, wherever they stand.
HARMLESS = """
show shows showing draw create generate render film picture image video clip scene shot animation footage movie here
can could would will shall should i me my we us you your let want wants need wish see sees look watch imagine think
give find finds have has had get just only simply very really quite nice cute beautiful pretty lovely favourite
favorite now also too again there suddenly constantly continuously endlessly keeps keep keeping starts start starting
begins begin does do doing did make makes making put place puts places kind sort about along coloured colored colour
color shaped shape size sized hello hi ok okay thanks thank spot idea what how whole simultaneously meanwhile same
together weather shining painted dyed object objects things thing toy toys solid solids completely entirely purely
exactly lit identical alike equal similar matching upright quiet lone everywhere visible stuff lets set
"""
# What a description is the description of.
PICTURES = "video", "film", "picture", "image", "clip", "scene", "shot", "animation", "footage", "movie"
HARMLESS_PHRASES = (
    "there is", "there are", "there was", "this is", "these are", "here is", "here are", "up and down", "on the spot",
    "in place", "at the same time", "a bit", "a little bit", "in colour", "in color",
    "in size", "would like", "look like this", "back and forth", "as well", "of course", "it is a video of",
    "next to each other", "beside each other",
    "side by side", "made of", "made from", "made out of", "all the time", "all by itself", "a video of",
    "in the picture", "in the video", "in the scene", "in the shot", "for me", "to see",
    "does the same", "do the same", "at all", "all around", "all over", "can you", "can we", "can i", "you can",
    "we can",
)  # fmt: skip
# Of these: what says again of one thing what was said of another ("a cube does too"), where a clause ends with it, and
# what is not of the scene's ground ("a ball made of stone"). Neither of these nor read: what things have in common.
ALSO = ("too", "also", "as well", "does the same", "do the same")
MADE = ("made of", "made from", "made out of")
LIKENESS = tuple(f"{the}same {what}" for the in ("the ", "") for what in ("colour", "color", "size", "shape"))
# How something happens, between the words of a phrase as well: "pans slowly to the left".
MANNER = (
    "slowly", "quickly", "gently", "smoothly", "slow", "fast", "quick", "quietly", "happily", "calmly", "lazily",
    "merrily", "steadily", "please",
)  # fmt: skip
DETERMINERS = {"a": "new", "an": "new", "another": "new", "the": "known", "this": "known"} | {
    "these": "known", "those": "known", "my": "new", "some": "some",
}  # fmt: skip
NUMBERS = {"one": 1, "1": 1, "single": 1, "two": 2, "2": 2, "three": 3, "3": 3} | {
    word: 4 for word in ("four", "five", "six", "seven", "eight", "nine", "ten", "many", "several", "few", "lots")
} | {str(number): 4 for number in range(4, 100)}  # fmt: skip
COPULAS = {"is": 1, "'s": 1, "be": 0, "being": 0, "are": 2, "am": 1, "stays": 1, "stay": 2}
PRONOUNS = {"it": "it", "they": "all", "them": "all", "both": "all", "all": "all"}
PREPOSITIONS = (
    "on", "in", "at", "over", "across", "under", "upon", "onto", "above", "beneath", "below", "inside", "into", "of",
    "to", "from", "by", "through", "around", "towards", "toward", "for", "during", "against", "amid", "among", "down",
)  # fmt: skip
JOINING = ("and", "&", "plus", "while", "whereas", "as well as", "but", "+", "then again")
WITH = ("with", "having", "together with", "along with", "accompanied by", "and also")
RELATIVE = ("that", "which", "who", "whose colour", "whose color")
STOPS, SEPARATORS = ".!?;\n", ",:()-–—\"'"
CONTRACTIONS = {
    "there's": "there is", "it's": "it is", "that's": "that is", "here's": "here is", "i'd": "i would",
    "let's": "let us", "what's": "what is", "they're": "they are", "who's": "who is", "which's": "which is",
    "ball's": "ball is", "cube's": "cube is", "doesn't": "does not", "don't": "do not", "isn't": "is not",
}  # fmt: skip

# Words that are a letter away from one of Toyland's, and meant as they are.
MEANT = """
each tin
alone apparel assure atone azure back bag bail bake bald balk baller ballet ballot balm ban band bander banned barge
bark barrel barrels battle bay beaches bear becomes bed beech beg being bell bellow below bench best bib bid big bill
billow bin bit black blame blank blanket bleach bleak bled blew bloat blob bloc block blocks bloke blond blood blow
blown blows blues bluff blur boat bog bold bonded bone books boom boon bop born bounce bouncy bow box boxer boxes boy
brand branded brands brass brawn breach bred brick bricks bride bright bring brink broke bronze brow browns brows bug
bulb bull bump bumps bun burn burns bury busy cab cake call calls camera cameras cane canes cans cap car carrel cart
cat caving caw chart check checker checkers checkmate checks cheese chess chest chops clan class clean cleaner clear
clock clod cloud cloudy clue code coke come comes con cones cope core cove crash crass crop crow crowd crown crows
crumb cuba curb cure cute cylinders dale dare darn dart dawn day days dear dell demon den desert deserted deserts desk
dessert dies dig dill dime ding disk diving dock does doing doll done doom door down draft drama dream dress drift
drifts drink driving drop drown drub drug drum drums dry dual dube duck dull duly dump dumps dune dunes dusk dust dye
dying ebony eight eighty even evenings fail fails fake fall falls fan fawn fear fed fell fellow field fields fiend fig
fight file filed fill fills flank flat flies flight float flock flood floor flooring floors flounce flour flow flows
flue fly food fool fox fright frock frown fry full fun games gas gay gene gian giant giving glades glass glean glide
glider globe globes glove gloves glow glows glue goes going gone good goon grace grain grand grant grasp grasses greed
greek greet grew grin grinning gripped gross groves grow grown grows growth guests guide gull gun hall hand hark
having height hello herb hip hoes hood hook hoop hoops hop hope hopes hose hot hug huge hugs hull humble husk irony
ivory ivy jest judge jump jumpy june king kings knights knock know lace lack lager lakes lame land landed lane large
largo lark late later law lawn lawns laws led lemon lemons lice lies light like lilacs limb lime limes line lines link
lives living lobe lock lone loom loop lose loud loving lube lull lump lying make mall man mark mat mate matt matter
mattered mattes may meadows meal medal mellow melon mental metallica metals might mile mime ming mink moan mon mood
moon moor moving musk near ned nest nests nightly nights none noon nose noun now nudge null nun ocean oceans or orb
orbs ore ounce ox pack pad pain paint palin pan pane pans par park pat paving paw pawn pay pea peach pear pedal peony
pest petal phone pick pies pig pile pillow pin pine ping pinning pins pint plaid plains plait plan plane plank planks
planning plant plaque play poll polls poor pop pose pounce pounces pox pray press prick pride prop proud proving prune
pull pump pumps punk quite rad raises rake ran rang rating ray reach read redo reed res rest rests rid ride riding rig
right rime rind rings rink rinse rinses rise rises rising risk risky robe rock rocks rocky rod rode role roll rolled
rolls room rope rose rosy roving rows rub rubs ruby rude rugby ruling rum rumble run rung running sad said saint sake
sandal sands sane sank saving say scan scone scroll seal seam sear seat sees send set seventeen shadow shady shall
shin shine shinny shins shiny shock shone shop shops show shown shrank shrine shrink shroud sight sin sing sink
sinning site ska skin skinning skinny skins slack slain slice slid slide slides slight slime slimy sliver slow small
smalls smell snare snob snot sock son soon sound sox spain spall span spanning speeding spin spine spins spiny spite
spoon spring spun stall stand stands star stare start stay stock stole stones stony store stored stories story stove
stow strands strapped string strip stripe stripes stripped strips stumble sum sun sung suns swirl tails take tale tall
tan tater tax tea teach teas tern test tests thin think tides tidy ties tight tile tiles till tilt time tine ting
tinny tint tiny title toes toll tone tony top torn tower tray trick tripped troll trolls tuba tubes tumble tune turn
turns tusk twirl typing urns van vest vile violent violet violets vise wafer waiter wake wall wand waste water waters
waver waving way wed west while whine whiny whole wide wield wife wig win wine wing wings wink winning wise woman
women wood wooden woods wool word wore would wring write yawn year yell yield zone zoo zooms
"""
