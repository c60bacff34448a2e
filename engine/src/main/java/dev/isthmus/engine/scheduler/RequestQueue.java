package dev.isthmus.engine.scheduler;

/** Requests that wait for a place in the batch, first in, first out. A link is all that it needs: it never allocates. */
final class RequestQueue {

    private Waiting first;
    private Waiting last;
    private int size;

    /** A request with its place in the queue. */
    static final class Waiting {

        private final ScheduledRequest request;
        /** Null where nothing is recorded. */
        private final QueueWaitEvent event;
        private Waiting next;

        Waiting(ScheduledRequest request, QueueWaitEvent event) {
            this.request = request;
            this.event = event;
        }

        ScheduledRequest request() {
            return request;
        }

        /** Records the end of the wait, if that can be done. */
        void end(boolean admitted) {
            if (event != null) {
                try {
                    event.end(admitted);
                } catch (OutOfMemoryError | LinkageError unrecorded) {
                    // The request is worth more than the record of it.
                }
            }
        }
    }

    int size() {
        return size;
    }

    /** The first; null where there is none. */
    Waiting first() {
        return first;
    }

    void add(Waiting waiting) {
        if (last == null) {
            first = waiting;
        } else {
            last.next = waiting;
        }
        last = waiting;
        size++;
    }

    /** Removes the first. */
    void removeFirst() {
        first = first.next;
        last = first == null ? null : last;
        size--;
    }

    /** Whether one has ended and is still here. */
    boolean hasEnded() {
        for (Waiting each = first; each != null; each = each.next) {
            if (each.request.isEnded()) {
                return true;
            }
        }
        return false;
    }

    /** Removes those that have ended; returns how many. */
    int removeEnded() {
        Waiting kept = null;
        int removed = 0;
        for (Waiting each = first; each != null; each = each.next) {
            if (!each.request.isEnded()) {
                kept = each;
                continue;
            }
            each.end(false);
            removed++;
            if (kept == null) {
                first = each.next;
            } else {
                kept.next = each.next;
            }
        }
        last = kept;
        size -= removed;
        return removed;
    }
}
