"""Heat of a district heating network. Water of the network, constants at about 60 °C. [M]"""

from gateway.domain.expression import FormulaError

KILOJOULE_PER_M3_K = 983.2 * 4.185
"""Density (kg/m3) and heat capacity (kJ/kg K) of water at 60 °C: 4115 kJ/m3 K. [M]"""


def heat_power(flow: float, supply: float, back: float, capacity: float = KILOJOULE_PER_M3_K) -> float:
    """Flow in m3/h, supply and return in °C -> kW: Q · c · (t1 - t2) / 3600."""
    return flow * capacity * (supply - back) / 3600


def lost_share(given: float, taken: float) -> float:
    """Heat (or water) given to a network and taken from it -> per cent that is lost: 100 · (given - taken)/given."""
    if given <= 0:
        raise FormulaError("nothing was given to the network")
    return 100 * (given - taken) / given
