// Where the database is; for sequelize-cli, too.
module.exports = {
  dialect: "postgres",
  host: process.env.DB_HOST, // the folder of a Unix socket
  username: process.env.DB_USER,
  database: process.env.DB_NAME,
  logging: false,
  pool: { idle: 60_000 }, // in benchmarks, the turns of the others take longer than its ten seconds
};
