; Takes a limit of at most 16000 and leaves 31 * (sum of the primes below it) + (coprime pairs up to limit / 16).

        var limit
        var n
        var multiple
        var sum
        var side
        var a
        var b

        store limit

; The sieve: cell 64 + n is 1 once n is known to be composite.
        push 2
        store n
sieve:
        load n
        load limit
        lt
        jumpunless pairs
        load n
        push 64
        add
        loadat
        jumpif next
        load sum
        load n
        add
        store sum
        load n
        dup
        add
        store multiple
strike:
        load multiple
        load limit
        lt
        jumpunless next
        push 1
        load multiple
        push 64
        add
        storeat
        load multiple
        load n
        add
        store multiple
        jump strike
next:
        load n
        inc
        store n
        jump sieve

; All pairs (a, b) from 1 to side, with Euclid's algorithm as a recursive call.
pairs:
        load limit
        push 4
        shr
        store side
        load sum
        push 31
        mul
        push 1
        store a
rows:
        load side
        load a
        lt
        jumpif done
        push 1
        store b
columns:
        load side
        load b
        lt
        jumpif row_done
        load a
        load b
        call gcd
        push 1
        eq
        add
        load b
        inc
        store b
        jump columns
row_done:
        load a
        inc
        store a
        jump rows
done:
        halt

; a b -- gcd(a, b)
gcd:
        dup
        jumpif deeper
        drop
        return
deeper:
        swap
        over
        rem
        call gcd
        return
