"""The scalar equations of the model, by the module that defines them."""

from nba_gym.customer import (
    leaving,
    needs,
    pipeline,
    purchase,
    relationship,
    response,
    service,
    volunteering,
)

EQUATIONS = (response, purchase, relationship, needs, leaving, service, pipeline, volunteering)
