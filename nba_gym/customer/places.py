"""Where the hidden half lies on the worktable: luck, traits, state, odds and hidden events.

The firm never sees any of this. ``nba_gym.records``, ``nba_gym.engagement`` and
``nba_gym.policies`` are forbidden to import this module (checked by import-linter).
"""

from __future__ import annotations

from nba_gym.lanes import PlaceBook
from nba_gym.records import places

BOOK = PlaceBook("table", "customer", places.BOOK.end)
NEEDS = PlaceBook("table", "need", places.NEEDS.end)
KEPT = PlaceBook("kept", "customer", places.KEPT.end)
KEPT_NEEDS = PlaceBook("kept", "need", places.KEPT_NEEDS.end)
BORN = PlaceBook("born", "customer")
BORN_NEEDS = PlaceBook("born", "need")
BORN_CHANNELS = PlaceBook("born", "channel")
_at, _of_need = BOOK.place, NEEDS.place
_kept, _kept_need = KEPT.place, KEPT_NEEDS.place
_born, _born_need, _born_channel = BORN.place, BORN_NEEDS.place, BORN_CHANNELS.place

# --- traits: drawn at birth, never change ---------------------------------------------------------
PERSONA = _born("persona", "index of the persona")
PRICE_SENSITIVITY = _born("price_sensitivity", "psi, > 0")
TOLERANCE = _born("tolerance", "tau, contact tolerance, > 0; divides fatigue")
BASELINE_LOYALTY = _born("baseline_loyalty", "lbar [0, 1]")
PURCHASE_PROPENSITY = _born("purchase_propensity", "b, utility of buying")
LEAVING_PROPENSITY = _born("leaving_propensity", "h, log-odds of leaving")
SPEND_LEVEL = _born("spend_level", "m, mean list value of a purchase, in currency")
ATTENTION = _born_channel("attention", "alpha_c [0, 1]")
ARRIVAL_RATE = _born_need("arrival_rate", "beta_k, per period, >= 0")

# --- state: changes with what happens -------------------------------------------------------------
LOYALTY = _kept("loyalty", "l [0, 1]")
FATIGUE = _kept("fatigue", "f >= 0")
REFERENCE = _kept("reference_discount", "rho, remembered discount [0, 1)")
PROBLEM = _kept("problem", "g, 1 while a service problem is open")
ALIVE = _kept("alive", "1 until the customer has left, told or not")
NEED = _kept_need("need", "n_k [0, 1]")
AWARENESS = _kept_need("awareness", "w_k [0, 1]")

# --- luck of a life: drawn at birth, shown to nobody, not even to an oracle -----------------------
FATE = PlaceBook("kept", "customer", KEPT.end)
PATIENCE = FATE.place("patience", "u, what chance of staying is left before leaving (0, 1]; 0 gone")

# --- luck: uniform random numbers of this period, four to a block of the generator ----------------
# drawn for every customer
LUCK_NOTICE = _at("luck_notice", "uniform: is the contact noticed?")
LUCK_RESPOND = _at("luck_respond", "uniform: is there a response?")
LUCK_OPT_OUT = _at("luck_opt_out", "uniform: consent withdrawn?")
LUCK_BUY = _at("luck_buy", "uniform: how many purchases?")
LUCK_VISIT = _at("luck_visit", "uniform: does the customer come in?")
LUCK_BASKET = _at("luck_basket", "uniform: is a basket abandoned?")
LUCK_PROBLEM = _at("luck_problem", "uniform: does a problem arise or end?")
LUCK_COMPLAIN = _at("luck_complain", "uniform: is the problem told?")
# drawn for those who buy
LUCK_CHOICE = _at("luck_choice", "uniform: for which need?")
LUCK_SPEND = _at("luck_spend", "uniform: how much is spent?")
LUCK_REFERRAL = _at("luck_referral", "uniform: is somebody brought in?")
# drawn for those who answer, and for those whose problem is worked on
LUCK_READING = _at("luck_reading", "uniform: noise in the stated satisfaction")
LUCK_SOLVE = _at("luck_solve", "uniform: does the service solve the problem?")
# drawn for every customer where there is a pipeline or volunteering
LUCK_STAGE = _at("luck_stage", "uniform: up or down the pipeline?")
LUCK_VOLUNTEER = _at("luck_volunteer", "uniform: is time given?")
# drawn for every customer, two needs to a block
LUCK_ARRIVAL = _of_need("luck_arrival", "uniform: does the need arise?")
LUCK_SIGNAL = _of_need("luck_signal", "uniform: does browsing point at the need?")

# --- looked up for this action and season ---------------------------------------------------------
# in the order of the catalogue's columns; the three rows after them are overwritten with padding
ACT_REACH = _at("act_reach", "share of contacts that can be noticed [0, 1]")
ACT_INTRUSIVENESS = _at("act_intrusiveness", "fatigue put on by the contact, >= 0")
ACT_LOG_PRICE = _at("act_log_price", "log(1 - discount), <= 0")
ACT_OFFER = _at("act_offer", "1 if the action offers something to buy")
ACT_CARE = _at("act_care", "strength of care or reward [0, 1]")
ACT_SERVICE = _at("act_service", "probability that a noticed contact solves the problem [0, 1]")
ACT_RETAIN = _at("act_retain", "1 if the action asks to stay")
ACT_PRESSURE = _at("act_pressure", "pressure put on the customer [0, 1]")
ACT_RESPONSE_BASE = _at("act_response_base", "response probability when irrelevant [0, 1]")
ACT_RESPONSE_SLOPE = _at("act_response_slope", "response probability added by relevance [0, 1]")
ACT_GIFT = _at("act_gift", "factor on what is given when asked for an amount, > 0")
ACT_INVITE = _at("act_invite", "strength of an invitation to volunteer [0, 1]")
ACT_STRENGTH = _at("act_strength", "strength of the contact in the pipeline [0, 1]")
ACT_ATTENTION = _at("act_attention", "attention on the action's channel [0, 1]; 1 inbound")
STRONGEST_STAGED = _at("strongest_staged", "max_k n_k over the staged needs [0, 1]")
ACT_SPARE = _at("act_spare", "not used")
SEASON_UTILITY = _of_need("season_utility", "season_k(t), utility")
SEASON_ARRIVAL = _of_need("season_arrival", "factor on the arrival rate, >= 0")

# --- odds: step 3, all probabilities of the period in closed form ---------------------------------
RELEVANCE = _at("relevance", "r [0, 1]")
STRAIN = _at("strain", "f / tau >= 0")
STRONGEST_NEED = _at("strongest_need", "max_k n_k [0, 1]")
LOG_REFERENCE = _at("log_reference", "log(1 - rho) <= 0")
EXCITEMENT = _of_need("excitement", "sum_j X_jk n_j >= 0")
P_NOTICE = _at("p_notice", "probability that the contact is noticed")
P_RESPOND = _at("p_respond", "probability of a response, given noticed")
P_OPT_OUT = _at("p_opt_out", "probability of opting out, given noticed")
P_DROPOUT = _at("p_dropout", "probability of leaving after each purchase")
UNHAPPY = _at("unhappy", "log-odds of leaving added by the relationship")
WOKEN = _at("woken", "log-odds of leaving added when the contact is noticed")
P_PROBLEM = _at("p_problem", "probability that a problem is open after this period's chance")
P_VISIT = _at("p_visit", "probability of an inbound visit next period")
P_BUY = _at("p_buy", "probability of a purchase, with what was noticed; step 4")
P_LEAVE = _at("p_leave", "probability of leaving at the end of the period, likewise; step 4")
P_REFERRAL = _at("p_referral", "probability of a referral, given a purchase")
P_ADVANCE_QUIET = _at("p_advance_quiet", "probability of advancing a stage, nothing noticed")
P_ADVANCE_NOTICED = _at("p_advance_noticed", "probability of advancing a stage, contact noticed")
P_VOLUNTEER_QUIET = _at("p_volunteer_quiet", "probability of volunteering, nothing noticed")
P_VOLUNTEER_NOTICED = _at("p_volunteer_noticed", "probability of volunteering, contact noticed")
P_BASKET = _of_need("p_basket", "probability of an abandoned basket, given no purchase")
P_ARRIVAL = _of_need("p_arrival", "probability that the need arises")
P_SIGNAL = _of_need("p_signal", "probability of a browsing signal")
UTILITY_QUIET = _of_need("utility_quiet", "U_k, nothing noticed")
UTILITY_NOTICED = _of_need("utility_noticed", "U_k, contact noticed")
WEIGHT = _of_need("weight", "exp(U_k), with what was noticed")
TOTAL = _at("total", "sum of exp(U_k), with what was noticed")

# --- hidden events of the period ------------------------------------------------------------------
NOTICED = _at("noticed", "1 if the contact was noticed")
LEFT = _at("left", "1 if the customer left in this period")
PROBLEM_AFTER = _at("problem_after", "1 if a problem is open after this period")
PROBLEM_SOLVED = _at("problem_solved", "1 if the service ended a problem")
ARISEN = _of_need("arisen", "1 if the need arose")
BASKET_SUM = _at("basket_sum", "scratch: cumulative probability of a basket")
