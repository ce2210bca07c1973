"""A class: pupils' devices train by themselves; what they expect and what they find meets here.

messages   what devices and the teacher's page say and are sent, by schema
judge      the rule that a claim is judged by
pair       what is known of one pair
book       the class, as one file that is only ever added to
tally      what of it the wall shows: votes, dots, the pooled estimate and the answer to the claim
door       one WebSocket for all of them: who may join, and how often they may speak
"""
