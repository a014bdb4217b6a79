# The jobs that Sidekiq's worker runs; it loads this file, as main.rb does.
require "sidekiq"

Sidekiq.configure_client do |config|
  config.redis = {url: ENV.fetch("REDIS_URL")}
  config.logger.level = Logger::WARN
end
Sidekiq.configure_server do |config|
  config.redis = {url: ENV.fetch("REDIS_URL")}
  # Nobody moves due jobs into their queues, so that one stays overdue.
  idle = Class.new do
    def initialize(*) = nil

    def enqueue_jobs(*) = nil
  end
  config.respond_to?(:[]=) ? config[:scheduled_enq] = idle : Sidekiq.options[:scheduled_enq] = idle
end

Sidekiq::Job = Sidekiq::Worker unless defined?(Sidekiq::Job)

class Ok
  include Sidekiq::Job

  def perform = nil
end

class Slow
  include Sidekiq::Job
  sidekiq_options queue: "slow"

  def perform = sleep(900)
end

class Fails
  include Sidekiq::Job
  sidekiq_options retry: 5
  sidekiq_retry_in { 3600 }

  def perform(to) = raise("on purpose for #{to}")
end

class Dies
  include Sidekiq::Job
  sidekiq_options retry: 0

  def perform(to) = raise(ArgumentError, "not for #{to}")
end
