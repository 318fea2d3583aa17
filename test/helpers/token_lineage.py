"""The rules that hold between the visits of one token, whatever happened to its robots."""

import itertools


def check_one_lineage(rows):
    """Every fencing number is held by one robot; who comes later goes on from who was before."""
    visits = [row for row in rows if row['kind'] == 'visit']
    holders, bases, done = {}, {}, {}
    for row in visits:
        fence = row['fence']
        assert holders.setdefault(fence, row['robot']) == row['robot'], f'fence {fence}'
        assert bases.setdefault(fence, row['base']) == row['base']
        # A holder that is first on the next route trains again with its number.
        done.setdefault(fence, []).append((row['updates'] - row['batches'], row['updates']))
    fences = sorted(bases)
    for before, after in itertools.pairwise(fences):
        assert bases[after] == bases[before] or bases[after] >= before, 'goes on from the newest'
    for fence in fences:
        if bases[fence] in done:
            started = done[fence][0][0]
            assert started in [end for _, end in done[bases[fence]]], 'no mini-batch is lost'
