package dev.isthmus.engine.convert;

/** By how much numbers differ from what they were rounded to. Numbers that are not finite are left out. */
public final class RoundingError {

    private long count;
    private long lost;
    private double largest;
    private double squares;

    RoundingError() {}

    /** Adds a number and what became of it. */
    void add(float original, float rounded) {
        if (!Float.isFinite(original)) {
            return;
        }
        if (!Float.isFinite(rounded)) {
            lost++;
            return;
        }
        double difference = Math.abs((double) rounded - original);
        largest = Math.max(largest, difference);
        squares += difference * difference;
        count++;
    }

    /** Adds all that another one has counted. */
    void add(RoundingError other) {
        count += other.count;
        lost += other.lost;
        largest = Math.max(largest, other.largest);
        squares += other.squares;
    }

    /** How many finite numbers became infinite or NaN. */
    long lost() {
        return lost;
    }

    /** The largest difference. */
    public double largest() {
        return largest;
    }

    /** The root of the mean squared difference. */
    public double rootMeanSquare() {
        return count == 0 ? 0 : Math.sqrt(squares / count);
    }
}
