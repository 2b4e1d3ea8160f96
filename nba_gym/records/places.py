"""Where the visible half lies on the worktable: events, history and ledger.

Everything here is known to the firm. Nothing here may depend on the hidden half except through
the events of a period.
"""

from __future__ import annotations

from nba_gym.lanes import PlaceBook

BOOK = PlaceBook("table", "customer")
PURSE = PlaceBook("purse", "customer")
NEEDS = PlaceBook("table", "need")
CHANNELS = PlaceBook("table", "channel")
KEPT = PlaceBook("kept", "customer")
KEPT_NEEDS = PlaceBook("kept", "need")
KEPT_CHANNELS = PlaceBook("kept", "channel")
_BITS = PlaceBook("bits", "customer")
_at, _of_need, _of_channel = BOOK.place, NEEDS.place, CHANNELS.place
_money = PURSE.place
_kept, _kept_need, _kept_channel = KEPT.place, KEPT_NEEDS.place, KEPT_CHANNELS.place

# --- birth record: what the firm knows of a new customer -----------------------------------------
START_PHASE = _at("start_phase", "period of the year at acquisition [0, cycle)")
START_COMMITMENT = _at("start_commitment", "periods until the contract may first be ended, >= 0")
START_CONSENT = _of_channel("start_consent", "1 if contact on the channel was permitted")

# --- events of one period: the only bridge from hidden to visible --------------------------------
ACTION = _at("action", "index of the action carried out; 0 is waiting")
SENT = _at("sent", "1 if an outbound contact was made")
RESPONDED = _at("responded", "1 if the customer clicked, answered or talked")
PURCHASES = _at("purchases", "number of purchases in the period")
NEED_BOUGHT = _at("need_bought", "index of the need that was bought for; -1 without purchase")
LIST_SPEND = _money("list_spend", "value of the purchases at list price, in currency")
REDEEMED = _at("redeemed", "1 if the purchases used the discount offered in this period")
OPTED_OUT = _at("opted_out", "1 if consent for the action's channel was withdrawn")
SOLVED = _at("solved", "1 if a known complaint was solved")
COMPLAINED = _at("complained", "1 if the customer complained")
ACCEPTED = _at("accepted", "1 if a retention offer was accepted")
CANCELLED = _at("cancelled", "1 if the customer cancelled a contract (always 0 without contracts)")
REFERRED = _at("referred", "1 if the customer brought in somebody")
VISIT = _at("visit", "inbound channel of a visit in the coming period, plus 1; 0 for none")
BASKET = _at("basket", "need of a basket abandoned in this period, plus 1; 0 for none")
ANSWERED = _at("answered", "1 if a question was answered")
READING_LOYALTY = _at("reading_loyalty", "satisfaction stated in an answer [0, 1]; else 0")
STAGE_MOVE = _at("stage_move", "stages of the pipeline moved: 1, 0 or -1")
VOLUNTEERED = _at("volunteered", "1 if the customer gave time")
SIGNAL = _of_need("signal", "1 if browsing pointed at the need")
READING = _of_need("reading", "need stated in an answer [0, 1]; else 0")

# --- history: a pure function of the events -------------------------------------------------------
TENURE = _kept("tenure", "periods since acquisition")
PHASE = _kept("phase", "period of the year [0, cycle)")
CUSTOMER = _kept("customer_active", "1 until a cancellation was observed")
RECENCY = _kept("recency", "periods since the last purchase")
FREQUENCY = _kept("frequency", "purchases since acquisition")
SPEND = _kept("spend", "list value of all purchases, in currency")
SINCE_CONTACT = _kept("since_contact", "periods since the last outbound contact")
COUPON = _kept("coupon", "smoothed discount of the offers sent [0, 1)")
DEAL_SHARE = _kept("deal_share", "smoothed share of purchases at a discount [0, 1]")
COMPLAINT = _kept("complaint", "1 while a complaint is open")
COMPLAINT_AGE = _kept("complaint_age", "periods since the complaint was made")
OPEN_BASKET = _kept("open_basket", "need of the open basket, plus 1; 0 for none")
BASKET_AGE = _kept("basket_age", "periods since the basket was abandoned")
VISITING = _kept("visiting", "inbound channel the customer is on now, plus 1; 0")
COMMITMENT = _kept("commitment", "periods until the contract may be ended, >= 0")
ANSWER_AGE = _kept("answer_age", "periods since the last answer; large if never")
ANSWER_LOYALTY = _kept("answer_loyalty", "satisfaction in the last answer [0, 1]")
STAGE = _kept("stage", "stage of the pipeline, from 0 to its last")
VOLUNTEERS = _kept("volunteers", "fading count of periods of volunteering")
CONSENT = _kept_channel("consent", "1 while contact on the channel is permitted")
IGNORED = _kept_channel("ignored", "contacts in a row without response")
PAUSE = _kept_channel("pause", "periods for which the channel still rests")
SIGNALS = _kept_need("signals", "smoothed browsing signals [0, 1]")
BOUGHT = _kept_need("bought", "fading count of purchases for the need")
INFORMED = _kept_need("informed", "fading count of information sent")
ANSWER_NEED = _kept_need("answer_need", "need in the last answer [0, 1]")

# --- ledger: money of one period ------------------------------------------------------------------
MARGIN = _money("margin", "margin on purchases at list price, in currency")
DISCOUNTS = _money("discounts", "discounts granted, in currency, <= 0")
RECURRING = _money("recurring", "recurring margin of a contract, in currency")
REFERRALS = _money("referrals", "value of referred customers, in currency")
TIME_GIVEN = _money("volunteering", "worth of the time given, in currency")
ACQUISITION = _money("acquisition", "cost of the lead, in currency, <= 0")
CONTACT_COST = _money("contact_cost", "cost of contacts, in currency, <= 0")
SERVICE_COST = _money("service_cost", "cost that follows a response, in currency, <= 0")

# --- what the action does, looked up in the catalogue ---------------------------------------------
ACT_CHANNEL = _at("act_channel", "index of the channel; -1 when waiting")
ACT_OUTBOUND = _at("act_outbound", "1 if the firm starts the contact")
ACT_INBOUND = _at("act_inbound", "1 if the customer started the contact")
ACT_COST = _at("act_cost", "cost of the contact, in currency")
ACT_FULFIL_COST = _at("act_fulfil_cost", "cost when the customer responds, in currency")
ACT_DISCOUNT = _at("act_discount", "discount offered [0, 1)")
ACT_INFORM = _at("act_inform", "strength of information [0, 1]")
ACT_ASK = _at("act_ask", "1 if the action asks a question")
ACT_NEED = _of_need("act_need", "how much the action speaks to the need [0, 1]")

# --- bit histories: one bit a period, the lowest is the latest ------------------------------------
# beside these there is one row for each need and channel, see ``lanes.need_bits``, ``channel_bits``
RESPONSE_BITS = _BITS.place("response_bits", "responses")
ANY_CONTACT_BITS = _BITS.place("any_contact_bits", "outbound contacts on any channel")
PURCHASE_BITS = _BITS.place("purchase_bits", "periods with a purchase")
