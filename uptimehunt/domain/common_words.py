"""The words that guessing of passwords begins with: by themselves, doubled, or with figures around.

Names, sports, beasts, months, places, what people love: whatever heads the lists of passwords that
were stolen and published. How they are looked for is in `passwords.py`.
"""

_WORDS = """
abc abcd abcde abcdef abcdefg abcdefgh access admin administrator alexander alexandra amanda
amazon america amsterdam andrea andrew android angel angels anthony apple april arsenal asd asdf
asdfg ashley august australia autumn azerty babyboy babygirl backup banana barcelona baseball
basketball batman bayern beatles beautiful berlin bienvenue blink bonjour brasil brooklyn
bulldog butterfly california camaro canada carolina champion change changeit changeme charles
charlie cheese chelsea chevrolet chicago chocolate ciao cocacola coffee colorado computer
contrasena cookie corvette cowboy creative crystal daniel david december default demo
deutschland diamond docker dollar dolphin dortmund dragon dragonball eagle einstein elephant
elizabeth eminem england enter espana explorer facebook falcon february ferrari florida flower
flowers football forever fortnite france freedom friday fussball garfield genius george germany
ginger github gladiator godzilla golf goodbye google guest guinness hallo hannah happy harley
haslo heineken hello highlander hockey hola honda honey hunter hurricane iloveyou instagram
internet iphone ironman italia january jasmine jennifer jessica jordan joshua july june justin
juventus kawasaki kennwort killer king kitty knight laptop lasvegas letmein lightning linux lion
liverpool login london lottery lovely loveme lover loveyou lucky manager manchester march maria
marlboro martin master matrix matthew maverick may mercedes metallica mexico michael michelle
michigan microsoft midnight minecraft monday money mongodb monitor monitoring monkey moonlight
motdepasse mountain mustang mypassword mysql naruto netflix newyork nicole ninja nintendo
nirvana nopassword nothing november october oliver oracle panda panther paradise paris parola
pass passwd password passwords passwort patrick penguin pepper peter phoenix pikachu pineapple
pirate platinum playstation pokemon porsche portugal postgres predator prince princess private
public pumpkin queen qwe qwer qwert qwertz racing radiohead rainbow rammstein ranger realmadrid
redis richard robert rocker rockstar rockyou root safe salasana samantha samsung saturday
scoobydoo scorpion scotland secret secure security senha september server service shadow
simpsons slipknot smile snickers sniper soccer soldier sommer sophie spiderman spotify spring
stargate startrek starwars stephanie strawberry summer sunday sunflower sunshine superman
support sweetheart system temp temporary tennis terminator test tester testing texas thepassword
thomas thunder thursday tiger toor topsecret toyota trustno trustnoone tuesday twitter uptime
uptimehunt user victoria vikings wachtwoord warrior wasd wednesday welcome whatever william
willkommen windows winter wizard wonderwoman xbox xyz yamaha yourpassword youtube yxcv zxcv
zxcvb
"""

COMMON_WORDS = frozenset(_WORDS.split())
