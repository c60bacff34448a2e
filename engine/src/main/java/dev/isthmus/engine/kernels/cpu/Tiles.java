package dev.isthmus.engine.kernels.cpu;

/** Shares rows and columns out to a team in tiles whose sizes do not depend on the team's. */
final class Tiles {

    /** Rows that an operation other than products takes as one task: a microsecond or two, which pays for a thread. */
    static final int ROWS = 4;

    private Tiles() {}

    /** A tile: rows [t0, t1), columns [n0, n1). */
    @FunctionalInterface
    interface Task {
        void run(int t0, int t1, int n0, int n1);
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
