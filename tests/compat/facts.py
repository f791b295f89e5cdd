"""Facts every client is asked for: what a nearest-neighbour query over three rows must return.

Clients compare distances with `==`, so these are exact.
"""

import math

ROWS = {1: [1.0, 1.0, 1.0], 2: [2.0, 2.0, 2.0], 3: [1.0, 1.0, 2.0]}
QUERY = [1.0, 1.0, 1.0]
AVERAGE = [1.3333333730697632, 1.3333333730697632, 1.6666666269302368]
SUM = [4.0, 4.0, 5.0]

# operator -> (id, distance) from the nearest on, equal distances by id
NEAREST = {
    "<->": [(1, 0.0), (3, 1.0), (2, math.sqrt(3))],
    "<#>": [(2, -6.0), (3, -4.0), (1, -3.0)],
    "<=>": [(1, 0.0), (2, 0.0), (3, 0.05719095841793653)],
    "<+>": [(1, 0.0), (3, 1.0), (2, 3.0)],
}

# values which a float4 holds exactly and whose text is easily got wrong
EXACT = [
    [1.0, -2.5, 3.0],
    [0.0],
    [1000000.0, 999999986991104.0, 9.999999747378752e-06],
    [3.4028234663852886e38, -3.4028234663852886e38],
    [1.1754943508222875e-38, 1.401298464324817e-45],
    [0.10000000149011612, 0.30000001192092896],
    [float(i % 7) for i in range(16000)],
]
