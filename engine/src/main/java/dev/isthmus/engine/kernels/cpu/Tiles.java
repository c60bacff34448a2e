package dev.isthmus.engine.kernels.cpu;

/** Shares rows and columns out to a team in tiles whose sizes do not depend on the team's. */
final class Tiles {

    /** Rows that an operation other than products takes as one task: a microsecond or two, which pays for a thread. */
    static final int ROWS = 4;

    /** Rows of attention as one task: they share what is read of the cache. */
    static final int ATTENTION_ROWS = 96;

    /** Rows whose keys are appended as one task, where there are more: they fill the cache's lines together. */
    private static final int APPENDED_ROWS = 16;

    private Tiles() {}

    /** A tile: rows [t0, t1), columns [n0, n1). */
    @FunctionalInterface
    interface Task {
        void run(int t0, int t1, int n0, int n1);
    }

    /** Rows [t0, t1) of an operation other than products. */
    @FunctionalInterface
    interface RowTask {
        void run(int t0, int t1);
    }

    /** Runs {@code task} for {@link #ROWS} rows at a time. */
    static void overRows(WorkerTeam team, long rows, RowTask task) {
        run(team, (int) rows, ROWS, 1, 1, (t0, t1, n0, n1) -> task.run(t0, t1));
    }

    /** The rows of a task that appends keys and values. */
    static int appendedRows(int rows) {
        return rows <= APPENDED_ROWS ? ROWS : APPENDED_ROWS;
    }

    /** Runs {@code task} for each tile of {@code rows} × {@code columns}. */
    static void run(WorkerTeam team, int rows, int tileRows, int columns, int tileColumns, Task task) {
        int rowTiles = Math.ceilDiv(rows, tileRows);
        team.run(rowTiles * Math.ceilDiv(columns, tileColumns), tile -> {
            int t0 = tile % rowTiles * tileRows;
            int n0 = tile / rowTiles * tileColumns;
            task.run(t0, Math.min(t0 + tileRows, rows), n0, Math.min(n0 + tileColumns, columns));
        });
    }
}
