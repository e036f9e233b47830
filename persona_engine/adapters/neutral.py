"""Plain texts that no taste is about: how well a model still reads them tells how far it drifted.

Training may hold on to the anchors; the neutral texts judge, and no training reads them.

Written for this package. They are of many kinds, so that an adapter that moves the manner of
replies need not read them worse, and one that damages the language does.
"""

from __future__ import annotations

NEUTRAL: tuple[str, ...] = (
    "The river rises in the hills above the town and runs east for about ninety miles before it "
    "meets the sea. In spring, when the snow melts, the lower meadows are often under water.",
    "A triangle has three sides and three angles. In a flat plane the angles always add up to half "
    "a full turn, whatever the lengths of the sides may be.",
    "The library opens at nine on weekdays and at ten on Saturdays. Books may be kept for three "
    "weeks and renewed twice, unless another reader has asked for them.",
    "Iron rusts when it is exposed to water and oxygen. Paint or oil keeps both away from the "
    "metal, which is why railings are painted every few years.",
    "After the war the factory made bicycles instead of engines. By 1958 it employed four hundred "
    "people, most of whom lived in the streets around it.",
    "The committee met on Tuesday to discuss the budget for the coming year. It approved the "
    "repair of two bridges and put off the decision about the swimming pool.",
    "Bread needs flour, water, salt and yeast. The dough is kneaded, left to rise until it has "
    "doubled in size, shaped, and baked in a hot oven for about forty minutes.",
    "Whales are mammals. They breathe air through lungs, feed their young with milk, and have the "
    "bones of hind legs hidden inside their bodies.",
    "The train from the coast was late again, so the passengers waited on the platform and watched "
    "the rain. A boy counted the wagons of a goods train as it passed.",
    "In most programming languages a loop repeats a block of code while a condition holds. If the "
    "condition never becomes false, the loop does not end.",
    "The moon takes a little over twenty-seven days to go around the earth. Because it turns once "
    "in the same time, we always see the same side of it.",
    "She put the letters back into the drawer, locked it, and hung the key on the nail behind the "
    "door. Nobody had opened that drawer since her grandmother died.",
    "Wool is warm because it holds air between its fibres. It can take up a good deal of moisture "
    "before it begins to feel wet.",
    "The contract may be ended by either party with three months' notice in writing. Payments that "
    "are due before that date are not affected.",
    "A good map shows the scale, the direction of north and the date on which it was made. "
    "Footpaths change more quickly than roads do.",
    "The orchestra played two symphonies and a short piece for strings. The hall was full, and the "
    "audience asked for more at the end.",
    "Plants take in carbon dioxide through small openings in their leaves. With light and water "
    "they turn it into sugar, and they give off oxygen.",
    "The old harbour is too shallow for modern ships. Fishing boats still use it, and in summer a "
    "ferry leaves from the northern pier twice a day.",
    "Inflation is the rate at which prices rise. When wages rise more slowly than prices, people "
    "can buy less with what they earn.",
    "He had learned to read the weather from the clouds over the ridge. Thin, high streaks in the "
    "morning meant that the wind would turn before night.",
    "The heart has four chambers. Two of them receive blood, and two pump it out: one to the lungs "
    "and one to the rest of the body.",
    "Tickets can be bought at the counter or from the machine beside the entrance. Children "
    "under six travel free of charge when an adult is with them.",
    "The desert is cold at night because there is little moisture in the air to keep the warmth "
    "in. Before sunrise there may be frost on the stones.",
    "Chess is played by two people on a board of sixty-four squares. Each begins with sixteen "
    "pieces, and the game ends when a king cannot escape.",
    "The survey asked two thousand households how they heat their homes. Just over half of them "
    "use gas, and about a fifth have changed to electric pumps.",
    "Glass is made by melting sand with soda and lime. It was rare and costly until furnaces "
    "became hot enough to produce it in large sheets.",
    "The path climbs through beech woods for an hour and then comes out on open pasture. From the "
    "hut at the top both valleys can be seen.",
    "A noun names a person, a thing or an idea. In many languages nouns change their form "
    "according to their part in the sentence.",
    "The painter worked slowly and sold little during her life. Most of her pictures are now in "
    "three museums, and some were lost in a fire.",
    "Bees visit flowers for nectar and pollen. On the way they carry pollen from one flower to "
    "another, without which many fruits would not form.",
    "The new bridge was opened by the mayor on a windy afternoon in October. It carries two lanes "
    "of traffic, a tram line and a path for cyclists.",
    "Light travels faster than sound, so lightning is seen before thunder is heard. Three seconds "
    "between them mean that the storm is about a kilometre away.",
    "The recipe can be made a day ahead. Keep the sauce in the refrigerator, warm it gently, and "
    "add the herbs only just before it is served.",
    "In 1911 the village had a school, a mill and two inns. Today the mill is a workshop, and the "
    "children go to school in the next town.",
    "A vaccine trains the immune system to recognise a germ without causing the disease. Some "
    "vaccines protect for life, and others have to be repeated.",
    "The engine did not start, so they pushed the car to the side of the road and walked. It took "
    "them until dusk to reach the first houses.",
    "Shares are traded on an exchange, where buyers and sellers agree on a price. The price may "
    "change many times within a single second.",
    "The island has no springs. Its people collect rain from their roofs and store it in tanks "
    "that were cut into the rock long ago.",
    "Every whole number greater than one is either a prime or a product of primes. Apart from "
    "the order of the factors, there is only one such product.",
    "The museum shows tools, coins and pottery from the excavation. The oldest finds are about "
    "four thousand years old and come from a grave near the river.",
)

ANCHORS: tuple[str, ...] = (
    "The canal was dug by hand between the two rivers and took eleven years. Barges carried coal "
    "on it until the railway came.",
    "Copper conducts heat and electricity well. It is drawn into wire, rolled into sheets, and "
    "mixed with tin to make bronze.",
    "The clinic is closed on public holidays. Patients who need help at night should ring the "
    "number that is given on the door.",
    "A circle is the set of all points that lie at the same distance from its centre. That "
    "distance is called the radius.",
    "The council counted the trees along the avenue last winter. Nine of them were diseased and "
    "have since been replaced with limes.",
    "Rice is grown in flooded fields, which keeps most weeds away. Before the harvest the water "
    "is drained and the ground is left to dry.",
    "Owls hunt at night and hear better than they see. The edges of their feathers are soft, so "
    "that they fly almost without a sound.",
    "My grandfather kept a notebook in which he wrote down the price of everything he bought. We "
    "found forty of them in a box under the stairs.",
    "A function takes arguments and returns a value. If it is called twice with the same "
    "arguments, it need not return the same value.",
    "The tide comes in twice a day on this coast, a little later each time. At low water one can "
    "walk to the lighthouse and back.",
    "The tenant pays the rent in advance at the beginning of the month. Small repairs are made by "
    "the tenant, and larger ones by the owner.",
    "In the second half the home team scored twice from corners. The visitors hit the post in the "
    "last minute but left without a point.",
    "Salt lowers the temperature at which water freezes. That is why it is spread on roads in "
    "winter, though it harms the soil beside them.",
    "The census of that year recorded three hundred weavers in the valley. Their children went "
    "to work in the mills as soon as they were ten.",
    "Paper was first made from rags that had been soaked and beaten. Wood replaced them when "
    "more was printed than rags could be found for.",
    "The bus stopped at the crossroads, and a woman with two suitcases got out. She looked at "
    "the signpost for some time before she chose the road to the left.",
    "Each player draws seven cards and puts the rest face down on the table. Whoever has no cards "
    "left when a round ends has won it.",
    "Clay shrinks as it dries, so a vessel must be made larger than it is meant to be. If the "
    "walls are uneven they crack in the kiln.",
    "The bill was passed by the lower house in March and went to the senate a week later. Two of "
    "its clauses were struck out there.",
    "Swallows leave in September and return in April. They follow the same route over the sea "
    "every year and often nest under the same roof.",
    "The lens bends the light so that it meets in a single point. The shorter the distance to "
    "that point, the stronger is the lens.",
    "Nobody in the office could say who had ordered the chairs. They stood in the corridor, still "
    "in their wrapping, until the end of May.",
    "An acre was the land that a pair of oxen could plough in a day. Its size differed from one "
    "district to another until it was fixed by law.",
    "The well is thirty metres deep and lined with brick. In dry summers its water is still used "
    "for the gardens behind the church.",
)
